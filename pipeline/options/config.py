"""The configuration of a run, as a tree of frozen dataclasses.

This module does not import TensorFlow, which takes seconds to import.

Every option has a dotted key (`train.epochs`), which YAML files and `--set` use.
"""

import dataclasses
import json
import re
import typing
from collections.abc import Iterator
from typing import Any, Literal

from backbones.catalogue import MODELS
from common.options import WHOLE, Check, option
from common.urls import remove_secrets
from components.image_example_gen.sources.registry import DROP_DUPLICATES
from pipeline.datasets import DATASETS, Dataset, find_dataset
from pipeline.options.backbone_input import BackboneInput
from pipeline.options.cluster import Cloud
from pipeline.options.data import Data
from pipeline.options.defaults import default_name, make_absolute
from pipeline.options.endpoint import Endpoint
from pipeline.options.gate import Gate
from pipeline.options.ingest import Ingest
from pipeline.options.machines import Machines
from pipeline.options.report import Report
from pipeline.options.run import Run
from pipeline.options.serve import Serve
from pipeline.options.serving_check import ServingCheck
from pipeline.options.settings import Option
from pipeline.options.source_options import source_arguments
from pipeline.recipes import RECIPES
from trainer.input.augmentation import Augmentation
from trainer.training.hyperparameters import OPERATIONAL, Hyperparameters

NAME = Check(
    "a name of a-z, 0-9 and -, such as flowers-vit-b16",
    lambda value: re.fullmatch(r"[a-z0-9][a-z0-9-]*", value) is not None,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The configuration of a run: the values of all options."""

    model: str = option(
        "catalogue name, SavedModel directory (also gs://), Kaggle handle, URL, or AugReg .npz; a "
        "SavedModel that accesses files, the network or Python also needs --trust-model",
        is_path=True,
    )
    trust_model: bool = option(
        "accept a SavedModel that accesses files, the network or Python; it runs with your "
        "permissions",
        default=False,
    )
    weights: Literal["pretrained", "random"] = option(
        "use pretrained weights, or start from random weights", default="pretrained"
    )
    dataset: str = option(
        f"{', '.join(DATASETS)}, tfds:NAME, a folder of class folders or of splits with class "
        "folders, a manifest (.csv, .jsonl, .parquet), or TFRecords",
        default="tf_flowers",
        is_path=True,
    )
    data_dir: str | None = option(
        "directory of TFDS datasets, also for downloads (default: TFDS's own)",
        default=None,
        is_path=True,
    )
    schema: str | None = option(
        "reviewed schema of the examples, as --write-schema writes it (default: the dataset's "
        "curated schema, or else inferred)",
        default=None,
        is_path=True,
    )
    tune: Literal["full", "head"] = option(
        "tune the whole backbone (full), or only a head on its frozen features (head)",
        default="full",
    )
    tuner: int = option(
        "number of trials of a hyperparameter search before the training; 0 for no search",
        default=0,
        check=WHOLE,
    )
    recipe: str = option(f"{', '.join(RECIPES)} (default: chosen by dataset, model and --tune)")
    name: str = option("name of the pipeline (default: dataset-model-tune)", check=NAME)
    pipeline_root: str = option("directory of artifacts (default: ./runs/NAME)", is_path=True)
    serving_dir: str = option(
        "directory of pushed models (default: serving in cloud.state_dir, or else in the pipeline "
        "root)",
        is_path=True,
    )
    backbone: BackboneInput = dataclasses.field(default_factory=BackboneInput)
    ingest: Ingest = dataclasses.field(default_factory=Ingest)
    data: Data = dataclasses.field(default_factory=Data)
    train: Hyperparameters = dataclasses.field(default_factory=Hyperparameters)
    augment: Augmentation = dataclasses.field(default_factory=Augmentation)
    gate: Gate = dataclasses.field(default_factory=Gate)
    serve: Serve = dataclasses.field(default_factory=Serve)
    serving_check: ServingCheck = dataclasses.field(default_factory=ServingCheck)
    report: Report = dataclasses.field(default_factory=Report)
    endpoint: Endpoint = dataclasses.field(default_factory=Endpoint)
    run: Run = dataclasses.field(default_factory=Run)
    cloud: Cloud = dataclasses.field(default_factory=Cloud)
    machines: Machines = dataclasses.field(default_factory=Machines)

    @property
    def model_and_dataset(self) -> str:
        """A text that names the model and the dataset, to tell pipelines of the same name apart."""
        is_place = self.model and self.model not in MODELS
        model = make_absolute(self.model) if is_place else self.model or "none"
        return f"model {remove_secrets(model)}, dataset {self.source.get('path', self.dataset)}"

    @property
    def has_default_name(self) -> bool:
        """Whether the pipeline has its default name, which has the form `dataset-model-tune`."""
        return self.name == default_name(self._dataset.name, self.model, self.tune)

    @property
    def has_recipe_of_dataset(self) -> bool:
        """Whether all options that affect the trained model have the values of the dataset's
        default recipe.
        """
        recipe = RECIPES[self.recipe]
        operational = {name: getattr(self.train, name) for name in OPERATIONAL}
        return (
            self._dataset.recipes[self.tune] == self.recipe
            and self.augment == recipe.augmentation
            and self.train == dataclasses.replace(recipe.hyperparameters, **operational)
        )

    def options_that_differ_from_recipe(self) -> dict[str, Any]:
        """Returns the training options that differ from the recipe, as a dictionary by key."""
        return {
            key: self.value(key)
            for key, value in RECIPES[self.recipe].values().items()
            if self.value(key) != value
        }

    @property
    def model_in_words(self) -> str:
        """The model as a text for users: the value of `--model` without secrets, with a note if the
        weights are random.
        """
        return remove_secrets(self.model) + " (random weights)" * (self.weights == "random")

    @property
    def training_in_words(self) -> str:
        """The training as a text for users: length, optimizer, batch, learning rate and seed."""
        train = self.train
        length = f"{train.steps} steps" if train.steps else f"{train.epochs} epochs"
        return (
            f"{length} of {train.optimizer}, batch {train.batch_size}, learning rate "
            f"{train.learning_rate:g}, seed {train.seed}"
        )

    @property
    def source(self) -> dict[str, Any]:
        """The dataset, as the dictionary that
        `components.image_example_gen.sources.registry.make_source` takes.
        """
        source = dict(self._dataset.source)
        source |= source_arguments(source["kind"], self.ingest)
        if self.ingest.drop_duplicates:
            source[DROP_DUPLICATES] = True
        if source["kind"] == "tfds":
            default = self.cloud.state_dir and f"{self.cloud.state_dir}/tfds"
            source["data_dir"] = make_absolute(self.data_dir) if self.data_dir else default
        return source

    @property
    def state_dir(self) -> str:
        """The directory for files that later runs need and that are not artifacts.

        The directory contains checkpoints, the blessed models, a JSON file about each blessed
        model, and a JSON file about the last push. For a compiled pipeline without
        `cloud.state_dir` and `--pipeline-root`, the value is empty, because each run gets its own
        pipeline root, and the runs share no directory.
        """
        return self.cloud.state_dir or self.pipeline_root

    @property
    def curated_schema(self) -> str | None:
        """The name of the dataset's schema file in `schemas/`; None if there is no file."""
        return self._dataset.schema

    @property
    def has_schema(self) -> bool:
        """Whether the schema comes from `--schema` or `schemas/`, and not from SchemaGen."""
        return bool(self.schema or self.curated_schema)

    @property
    def _dataset(self) -> Dataset:
        return find_dataset(self.dataset, here=not self.run.is_compiled)

    def values(self) -> dict[str, Any]:
        """Returns the values of all options, in a dictionary by dotted key."""
        return {key: self.value(key) for key in OPTIONS}

    def value(self, key: str) -> Any:
        """Returns the value of the option with the dotted key `key`, such as `train.epochs`."""
        value: Any = self
        for name in key.split("."):
            value = getattr(value, name)
        return value

    def to_json(self) -> str:
        """Returns the configuration as JSON, for `read_config`.

        Everybody who can read the compiled pipeline or the metadata store can read the JSON. This
        function removes a password from the URL in `--host`, because no node needs the password.
        The URL in `--model` contains no password, because `check_reachable` refuses a URL with a
        password.
        """
        values = self.values()
        host = values["cloud.host"]
        return json.dumps(values | {"cloud.host": host and remove_secrets(host)}, sort_keys=True)


def _options(cls: type, prefix: str = "") -> Iterator[tuple[str, Option]]:
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            yield from _options(hint, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", Option(field, hint)


OPTIONS = dict(_options(Config))  # all options by dotted key
