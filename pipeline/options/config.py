"""The configuration of a run, as a tree of frozen dataclasses. Imports no TensorFlow.

Every option has a dotted key (`train.epochs`), which YAML files and `--set` use. The table `FLAGS`
lists the options that also have a flag on the command line.
"""

import dataclasses
import hashlib
import json
import re
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml

from backbones.catalogue import MODELS
from backbones.reference import ModelReference, parse_model
from backbones.resolve import check_model
from common.errors import InputError, did_you_mean
from common.options import AT_LEAST_ONE, FRACTION, WHOLE, Check, option
from common.urls import remove_secrets
from pipeline.datasets import DATASETS, Dataset, find_dataset
from pipeline.options.cluster import COMPILED_RUNNERS, Cloud, check_reachable
from pipeline.options.compatibility import (
    ALTERNATIVES,
    check_alternatives,
    check_runner,
    check_together,
    leave_alternatives_out,
)
from pipeline.options.custom_job import check_custom_job
from pipeline.options.machines import Machines, check_machines
from pipeline.options.names import check_name
from pipeline.options.serve import Serve
from pipeline.options.settings import Option, Setting, check_setting
from pipeline.options.tuning import check_tune
from pipeline.options.unique_keys import load_yaml
from pipeline.recipes import OTHER_BACKBONES, RECIPES, Recipe
from trainer.input.augmentation import Augmentation
from trainer.training.hyperparameters import OPERATIONAL, Hyperparameters

NAME = Check(
    "a name of a-z, 0-9 and -, such as flowers-vit-b16",
    lambda value: re.fullmatch(r"[a-z0-9][a-z0-9-]*", value) is not None,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackboneInput:
    """What a backbone expects beyond its SavedModel."""

    input_range: Literal["-1,1", "0,1", "0,255", "imagenet"] = option(
        "the pixel values that the backbone was trained on; imagenet: in [0, 1], less ImageNet's "
        "mean, divided by its deviation",
        default="-1,1",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ingest:
    """The options of reading images into examples."""

    max_side: int = option(
        "longest side of an image in pixels; larger images are scaled down",
        default=1024,
        check=AT_LEAST_ONE,
    )
    max_pixels: int = option(
        "an image of more pixels is refused by its header, when it is ingested and when it is "
        "served",
        default=100_000_000,
        check=AT_LEAST_ONE,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gate:
    """The conditions on the test split under which a model is blessed."""

    min_accuracy: float = option(
        "required accuracy (default: the recipe's for AugReg's weights, else 0.5)",
        default=0.5,
        check=FRACTION,
    )
    min_class_recall: float | None = option(
        "required recall of every class; null for no requirement", default=None, check=FRACTION
    )
    max_ece: float | None = option(
        "greatest expected calibration error; null for none", default=None, check=FRACTION
    )
    min_coverage: float | None = option(
        "least share of test images whose answer is accepted, see serve.precision; null for none",
        default=None,
        check=FRACTION,
    )
    max_drop: float = option(
        "largest allowed drop in accuracy from the last blessed model",
        default=0.0,
        check=FRACTION,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """The options of where and how the pipeline runs."""

    runner: Literal["local", "beam", "kubeflow", "vertex"] = option(
        "run on this machine (local), with a Beam engine (beam; see --beam-arg), on Kubeflow "
        "Pipelines, or on Vertex AI",
        default="local",
    )
    beam_args: tuple[str, ...] = option("a flag for Beam; may be repeated", default=())
    verbose: bool = option("show logs and tracebacks on the screen", default=False)
    fail_on_unblessed: bool = option(
        "let a run on a cluster fail if its model is not blessed, so that alerts fire",
        default=False,
    )

    @property
    def is_compiled(self) -> bool:
        """Whether the pipeline is compiled to run in containers on a cluster."""
        return self.runner in COMPILED_RUNNERS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """All options of a run."""

    model: str = option(
        "catalogue name, SavedModel directory, URL, or AugReg .npz; a SavedModel is a program, "
        "which must do no more than compute",
        is_path=True,
    )
    trust_model: bool = option(
        "accept a SavedModel whose program reaches files, the network or Python; it runs with your "
        "rights",
        default=False,
    )
    weights: Literal["pretrained", "random"] = option(
        "use pretrained weights, or start from random weights", default="pretrained"
    )
    dataset: str = option(
        f"{', '.join(DATASETS)}, tfds:NAME, or a folder of class folders",
        default="tf_flowers",
        is_path=True,
    )
    data_dir: str | None = option(
        "directory of TFDS datasets, also for downloads (default: TFDS's own)",
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
        "directory of pushed models (default: PIPELINE_ROOT/serving)", is_path=True
    )
    backbone: BackboneInput = dataclasses.field(default_factory=BackboneInput)
    ingest: Ingest = dataclasses.field(default_factory=Ingest)
    train: Hyperparameters = dataclasses.field(default_factory=Hyperparameters)
    augment: Augmentation = dataclasses.field(default_factory=Augmentation)
    gate: Gate = dataclasses.field(default_factory=Gate)
    serve: Serve = dataclasses.field(default_factory=Serve)
    run: Run = dataclasses.field(default_factory=Run)
    cloud: Cloud = dataclasses.field(default_factory=Cloud)
    machines: Machines = dataclasses.field(default_factory=Machines)

    @property
    def reads(self) -> str:
        """Model and dataset in words, to distinguish runs of the same name."""
        model = self.model if self.model in MODELS else _make_absolute(self.model)
        return f"model {remove_secrets(model)}, dataset {self.source.get('path', self.dataset)}"

    @property
    def has_default_name(self) -> bool:
        """Whether the pipeline's name follows from dataset, model and tune."""
        return self.name == default_name(self._dataset.name, self.model, self.tune)

    @property
    def has_recipe_of_dataset(self) -> bool:
        """Whether training follows the dataset's own recipe; the devices do not matter."""
        recipe = RECIPES[self.recipe]
        operational = {name: getattr(self.train, name) for name in OPERATIONAL}
        return (
            self._dataset.recipes[self.tune] == self.recipe
            and self.augment == recipe.augmentation
            and self.train == dataclasses.replace(recipe.hyperparameters, **operational)
        )

    def options_beside_recipe(self) -> dict[str, Any]:
        """The options of the training whose values are not the recipe's, by dotted key."""
        recipe = RECIPES[self.recipe]
        return {
            f"{group}.{field.name}": getattr(values, field.name)
            for group, values, defaults in (
                ("train", self.train, recipe.hyperparameters),
                ("augment", self.augment, recipe.augmentation),
            )
            for field in dataclasses.fields(values)
            if getattr(values, field.name) != getattr(defaults, field.name)
        }

    @property
    def source(self) -> dict[str, Any]:
        """The source of the images, the argument of `make_source`."""
        source = dict(self._dataset.source)
        if source["kind"] == "tfds":
            source["data_dir"] = _make_absolute(self.data_dir) if self.data_dir else None
        return source

    @property
    def schema(self) -> str | None:
        """The name of the dataset's curated schema; None if it has none."""
        return self._dataset.schema

    @property
    def _dataset(self) -> Dataset:
        return find_dataset(self.dataset, here=not self.run.is_compiled)

    def values(self) -> dict[str, Any]:
        """Returns the value of every option, by dotted key."""
        return {key: _value(self, key) for key in OPTIONS}

    def to_json(self) -> str:
        """Returns the configuration as JSON, for `from_json`.

        It stands in compiled pipelines and in the metadata store. So a password in `--host`, which
        no node needs, is left out; `check_reachable` refuses one in a model's address.
        """
        values = self.values()
        host = values["cloud.host"]
        return json.dumps(values | {"cloud.host": host and remove_secrets(host)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Config":
        """Returns the configuration that `to_json` wrote."""
        values = leave_alternatives_out(json.loads(text))
        given = {key: value for key, value in values.items() if value != ""}
        return build_config({key: Setting(value, key) for key, value in given.items()})


FLAGS = {
    "--model": "model",
    "--trust-model": "trust_model",
    "--weights": "weights",
    "--dataset": "dataset",
    "--data-dir": "data_dir",
    "--tune": "tune",
    "--recipe": "recipe",
    "--epochs": "train.epochs",
    "--batch-size": "train.batch_size",
    "--learning-rate": "train.learning_rate",
    "--seed": "train.seed",
    "--head": "train.head",
    "--tuner": "tuner",
    "--strategy": "train.strategy",
    "--precision": "train.precision",
    "--jit-compile": "train.jit_compile",
    "--deterministic": "train.deterministic",
    "--min-accuracy": "gate.min_accuracy",
    "--min-class-recall": "gate.min_class_recall",
    "--max-side": "ingest.max_side",
    "--runner": "run.runner",
    "--beam-arg": "run.beam_args",
    "--name": "name",
    "--pipeline-root": "pipeline_root",
    "--serving-dir": "serving_dir",
    "--fail-on-unblessed": "run.fail_on_unblessed",
    "--output": "cloud.output",
    "--image": "cloud.image",
    "--project": "cloud.project",
    "--region": "cloud.region",
    "--host": "cloud.host",
    "--schedule": "cloud.schedule",
    "--start": "cloud.start",
    "--end": "cloud.end",
    "--max-concurrent-runs": "cloud.max_concurrent_runs",
    "--wait": "cloud.wait",
    "--service-account": "cloud.service_account",
    "--trainer-accelerator": "machines.trainer.accelerator",
    "--trainer-machine": "machines.trainer.machine_type",
    "--trainer-workers": "machines.trainer.workers",
    "--verbose": "run.verbose",
}


def _options(cls: type, prefix: str = "") -> Iterator[tuple[str, Option]]:
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            yield from _options(hint, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", Option(field, hint)


OPTIONS = dict(_options(Config))  # by dotted key
_GROUPS = {key.rsplit(".", 1)[0] for key in OPTIONS if "." in key}


def read_yaml(path: str) -> dict[str, Setting]:
    """Reads the settings of a YAML file, by dotted key.

    Raises:
      InputError: the file cannot be read, is no YAML or no mapping, or has a key twice.
    """
    try:
        content = load_yaml(Path(path).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--config {path}: {error.strerror}; expected a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"--config {path}: not YAML ({reason})") from error
    if not isinstance(content, dict):
        raise InputError(f"--config {path}: expected a mapping such as 'train: {{epochs: 8}}'")
    settings: dict[str, Setting] = {}
    for key, value in _flatten(content):
        if key in settings:
            raise InputError(f"--config {path}: {key} is given twice; expected it once")
        settings[key] = Setting(value, f"{path}: {key}")
    return settings


def _flatten(tree: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if name in _GROUPS and value is None:  # "train:" with nothing below it
            continue
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{name}.")
        else:
            yield name, value


def read_assignment(text: str) -> tuple[str, Setting]:
    """Parses the text of one `--set KEY=VALUE`.

    Raises:
      InputError: the text has no `=`.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: expected KEY=VALUE, such as train.epochs=8")
    return key, Setting(value, f"--set {key}")


def build_config(settings: Mapping[str, Setting]) -> Config:
    """Builds the configuration from `settings`, and fills in all other options.

    Args:
      settings: the given settings, by dotted key.

    Raises:
      InputError: a key, model, dataset or recipe is unknown; a value has the wrong type or is
        outside its range; or an option would have no effect.
    """
    values = _checked_values(settings)
    if "model" not in values:
        raise InputError(
            "--model is missing; expected a catalogue name (see --list-models), a SavedModel "
            "directory, a URL or an .npz file"
        )
    given = _changed_origins(values, settings)
    check_runner(values.get("run.runner", Run.runner), given)
    check_together(given)
    check_alternatives(values, {key: setting.origin for key, setting in settings.items()})
    compiled = values.get("run.runner") in COMPILED_RUNNERS
    if compiled:
        check_reachable(
            model=values["model"],
            dataset=values.get("dataset", "tf_flowers"),
            pipeline_root=values.get("pipeline_root"),
        )
    else:
        check_model(values["model"], values.get("weights", "pretrained"))
    if values.get("run.runner") == "beam" and not values.get("run.beam_args"):
        raise InputError(
            "--runner beam: no --beam-arg; expected at least one that names the engine, such as "
            "--beam-arg=--runner=FlinkRunner (--runner local uses Beam's own engine)"
        )
    dataset = find_dataset(values.get("dataset", "tf_flowers"), here=not compiled)
    if values.get("data_dir") and dataset.source["kind"] != "tfds":
        raise InputError(
            f"{settings['data_dir'].origin} {values['data_dir']}: has no effect with --dataset "
            f"{values['dataset']}, which is no TFDS dataset; expected one of them"
        )
    reference = parse_model(values["model"])
    recipe_name = values.get("recipe") or default_recipe(
        dataset, reference, values.get("tune", "full")
    )
    if recipe_name not in RECIPES:
        raise InputError(
            f"{settings['recipe'].origin} {recipe_name}: expected one of {', '.join(RECIPES)}"
        )
    config = _fill(values, dataset, reference, recipe_name)
    check_tune(
        config.recipe,
        tune=config.tune,
        head=config.train.head,
        tuner=config.tuner,
        given={key: settings[key].origin for key in values if _is_changed(config, key)},
        origin=settings["recipe"].origin if "recipe" in settings else "",
    )
    check_name(config.run.runner, config.name)
    return config


def build_target(settings: Mapping[str, Setting]) -> tuple[str, Cloud]:
    """Returns runner and cluster, for commands that need no pipeline, such as --list-schedules.

    Args:
      settings: the given settings, by dotted key.

    Raises:
      InputError: the same errors as of `build_config`; or the runner has no cluster.
    """
    values = _checked_values(settings)
    runner = values.get("run.runner")
    if runner not in COMPILED_RUNNERS:
        raise InputError(
            f"--runner {runner or Run.runner}: expected {' or '.join(COMPILED_RUNNERS)}"
        )
    check_runner(runner, _changed_origins(values, settings))
    start = "cloud."
    given = {k.removeprefix(start): v for k, v in values.items() if k.startswith(start)}
    return runner, Cloud(**given)


def build_serving_dir(settings: Mapping[str, Setting]) -> str:
    """The serving directory of the pipeline that `settings` name, for commands that run nothing.

    Args:
      settings: by dotted key; a name, a pipeline root or a serving directory is enough.

    Raises:
      InputError: as `build_config`; or none of them is given.
    """
    values = _checked_values(settings)
    if values.get("serving_dir"):
        return _make_absolute(values["serving_dir"])
    if values.get("pipeline_root"):
        return default_serving_dir(_make_absolute(values["pipeline_root"]))
    if values.get("name"):
        return default_serving_dir(_make_absolute(str(Path("runs") / values["name"])))
    raise InputError(
        "found no pipeline; expected its --name, its --pipeline-root or its --serving-dir"
    )


def _checked_values(settings: Mapping[str, Setting]) -> dict[str, Any]:
    values = {}
    for key, setting in settings.items():
        if key not in OPTIONS:
            hint = did_you_mean(key, OPTIONS) or "--list-options prints the keys"
            raise InputError(f"{setting.origin}: there is no key {key}; {hint}")
        values[key] = check_setting(setting, OPTIONS[key])
    return values


def _changed_origins(values: Mapping[str, Any], settings: Mapping[str, Setting]) -> dict[str, str]:
    """Returns the origins of all values that differ from their defaults, by dotted key."""
    return {
        key: settings[key].origin
        for key, value in values.items()
        if value != OPTIONS[key].field.default
    }


def _is_changed(config: Config, key: str) -> bool:
    """Whether the value of an option differs from the recipe's value, or else from its default."""
    recipe = RECIPES[config.recipe]
    group, _, name = key.rpartition(".")
    settings = {"train": recipe.hyperparameters, "augment": recipe.augmentation}.get(group)
    default = getattr(settings, name) if settings else OPTIONS[key].field.default
    return bool(_value(config, key) != default)


def _fill(
    values: dict[str, Any], dataset: Dataset, reference: ModelReference, recipe_name: str
) -> Config:
    """Builds the configuration from given `values`; the recipe and defaults supply the rest."""
    recipe = RECIPES[recipe_name]

    def given(group: str) -> dict[str, Any]:
        start = f"{group}." if group else ""
        return {
            key.removeprefix(start): value
            for key, value in values.items()
            if key.startswith(start) and "." not in key.removeprefix(start)
        }

    top = given("")
    name = top.get("name") or default_name(dataset.name, top["model"], top.get("tune", "full"))
    compiled = values.get("run.runner") in COMPILED_RUNNERS
    given_root = top.get("pipeline_root") or ("" if compiled else str(Path("runs") / name))
    root = _make_absolute(given_root) if given_root else ""
    serving = top.get("serving_dir")
    machines = Machines(
        **{
            node: dataclasses.replace(machine, **given(f"machines.{node}"))
            for node, machine in vars(Machines()).items()
        }
    )
    runner = values.get("run.runner", Run.runner)
    check_machines(runner, machines)
    weights = top.get("weights", Config.weights)
    min_accuracy = default_floor(recipe, reference, weights)
    config = Config(
        **top
        | {
            "recipe": recipe_name,
            "name": name,
            "pipeline_root": root,
            "serving_dir": _make_absolute(serving) if serving else default_serving_dir(root),
        },
        backbone=BackboneInput(**given("backbone")),
        ingest=Ingest(**given("ingest")),
        train=dataclasses.replace(recipe.hyperparameters, **_override_alternatives(given("train"))),
        augment=dataclasses.replace(recipe.augmentation, **given("augment")),
        gate=Gate(**{"min_accuracy": min_accuracy} | given("gate")),
        serve=Serve(**given("serve")),
        run=Run(**given("run")),
        cloud=Cloud(**given("cloud")),
        machines=machines,
    )
    check_custom_job(machines.trainer, config.cloud, config.train, tune=config.tune)
    return config


def _override_alternatives(given: dict[str, Any]) -> dict[str, Any]:
    """Removes the recipe's number of steps if a number of epochs is given.

    The same holds for every pair of `ALTERNATIVES`.
    """
    for first, second in ALTERNATIVES:
        if second.removeprefix("train.") in given:
            given = {first.removeprefix("train."): None} | given
    return given


def default_recipe(dataset: Dataset, model: ModelReference, tune: str) -> str:
    """Returns the name of the default recipe."""
    recipes = dataset.recipes if model.is_augreg else {**dataset.recipes, **OTHER_BACKBONES}
    return recipes[tune]


def default_floor(recipe: Recipe, model: ModelReference, weights: str) -> float:
    """Returns the default of `gate.min_accuracy`: the recipe's for AugReg's weights, else 0.5."""
    is_as_published = model.is_augreg and not (weights == "random" and model.has_weights)
    return recipe.min_accuracy if is_as_published else Gate.min_accuracy


def default_name(dataset: str, model: str, tune: str) -> str:
    """Returns the default name of a pipeline: `dataset-model-tune`, in a-z, 0-9 and -."""
    public = remove_secrets(model).partition("?")[0]
    segments = [part for part in public.split("/") if not part.isdecimal()]
    stem = next(filter(None, reversed(segments)), model)  # a trailing number is a version
    return "-".join(map(_slug, (dataset, stem.removesuffix(".npz"), tune)))


def default_serving_dir(pipeline_root: str) -> str:
    """Returns the default of `serving_dir`; empty if each run gives its pipeline root."""
    return f"{pipeline_root}/serving" if pipeline_root else ""


def _slug(text: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return slug or hashlib.sha256(text.encode()).hexdigest()[:8]


def _value(config: Config, key: str) -> Any:
    value: Any = config
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _make_absolute(path: str) -> str:
    return path if "://" in path else str(Path(path).expanduser().resolve())
