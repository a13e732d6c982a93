"""Builds and checks the configuration of a run from the user's settings and from defaults."""

import dataclasses
import functools
import json
from collections.abc import Mapping
from typing import Any

from backbones.reference import ModelReference, parse_model
from backbones.resolve import check_model
from common.errors import InputError, did_you_mean
from components.vertex_endpoint.settings import EndpointSettings
from pipeline.datasets import Dataset, find_dataset
from pipeline.options.backbone_input import BackboneInput
from pipeline.options.cluster import COMPILED_RUNNERS, Cloud, check_reachable
from pipeline.options.compatibility import (
    ALTERNATIVES,
    check_alternatives,
    check_runner,
    check_together,
    leave_alternatives_out,
)
from pipeline.options.config import OPTIONS, Config
from pipeline.options.custom_job import check_custom_job
from pipeline.options.data import Data
from pipeline.options.defaults import (
    default_floor,
    default_name,
    default_recipe,
    default_root,
    default_serving_dir,
    make_absolute,
)
from pipeline.options.endpoint import Endpoint, check_endpoint, make_endpoint_settings
from pipeline.options.gate import Gate
from pipeline.options.ingest import Features, Ingest, Splits
from pipeline.options.machines import Machines, check_machines
from pipeline.options.names import check_name
from pipeline.options.report import Report
from pipeline.options.run import Run
from pipeline.options.serve import Serve
from pipeline.options.serving_check import ServingCheck
from pipeline.options.settings import Setting, check_setting
from pipeline.options.source_options import check_source_options
from pipeline.options.storage import check_storage, normalise
from pipeline.options.tracking import check_tracking
from pipeline.options.tuning import check_tune
from pipeline.recipes import RECIPES


def read_config(text: str) -> Config:
    """Builds a configuration from the JSON that `Config.to_json` returned."""
    values = leave_alternatives_out(json.loads(text))
    given = {key: value for key, value in values.items() if value != ""}
    return build_config({key: Setting(value, key) for key, value in given.items()})


def build_config(settings: Mapping[str, Setting], *, needs_model: bool = True) -> Config:
    """Builds the configuration from `settings` and, for all other options, from defaults.

    Args:
      settings: the settings that the user gave, in a dictionary by dotted key.
      needs_model: whether the user must give a model. Without a model, `Config.model` is an empty
        string.

    Raises:
      InputError: a key, model, dataset or recipe is unknown; a value has the wrong type or is
        outside its range; or an option would have no effect.
    """
    values = _checked_values(settings)
    if "model" not in values and needs_model:
        raise InputError(
            "--model is missing; expected a catalogue name (see --list-models), a SavedModel "
            "directory, a URL or an .npz file"
        )
    given = _changed_origins(values, settings)
    check_runner(values.get("run.runner", Run.runner), given)
    check_together(given)
    if "run.track" in given:
        check_tracking(values["run.track"], given["run.track"])
    check_alternatives(values, {key: setting.origin for key, setting in settings.items()})
    values.setdefault("model", "")
    compiled = values.get("run.runner") in COMPILED_RUNNERS
    if compiled:
        check_reachable(
            values["run.runner"],
            model=values["model"],
            dataset=values.get("dataset", "tf_flowers"),
            pipeline_root=values.get("pipeline_root"),
            schema=values.get("schema"),
        )
    elif values["model"]:
        check_model(values["model"], values.get("weights", "pretrained"))
    if values.get("run.runner") == "beam" and not values.get("run.beam_args"):
        raise InputError(
            "--runner beam: no --beam-arg; expected a --beam-arg that names the engine, such as "
            "--beam-arg=--runner=FlinkRunner (--runner local uses Beam's own engine)"
        )
    dataset = find_dataset(values.get("dataset", "tf_flowers"), here=not compiled)
    if values.get("data_dir") and dataset.source["kind"] != "tfds":
        raise InputError(
            f"{settings['data_dir'].origin} {values['data_dir']}: has no effect with --dataset "
            f"{values['dataset']}, which is not a TFDS dataset; expected --dataset tfds:NAME"
        )
    check_source_options(dataset.source["kind"], values, given)
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
        given={key: settings[key].origin for key in settings if _is_changed(config, key)},
        origin=settings["recipe"].origin if "recipe" in settings else "",
    )
    check_name(config.run.runner, config.name)
    return config


def build_target(settings: Mapping[str, Setting]) -> tuple[str, Cloud]:
    """Returns the runner and the options of its cluster, for commands such as --list-schedules.

    Args:
      settings: the settings that the user gave, in a dictionary by dotted key.

    Raises:
      InputError: a setting is wrong (see `build_config`), or the runner does not use a cluster.
    """
    values = _checked_values(settings)
    runner = values.get("run.runner")
    if runner not in COMPILED_RUNNERS:
        raise InputError(
            f"--runner {runner or Run.runner}: expected {' or '.join(COMPILED_RUNNERS)}"
        )
    check_runner(runner, _changed_origins(values, settings))
    return runner, Cloud(**_group(values, "cloud"))


def build_endpoint(settings: Mapping[str, Setting]) -> EndpointSettings:
    """Returns the settings of a Vertex AI endpoint, for commands such as --promote.

    Args:
      settings: the settings that the user gave, in a dictionary by dotted key. The settings must
        contain `name`, `endpoint.name`, `cloud.project` and `cloud.region`.

    Raises:
      InputError: a setting is wrong (see `build_config`); or the name, the endpoint, the project or
        the region is missing.
    """
    values = _checked_values(settings)
    if not values.get("name"):
        raise InputError("no pipeline is named; expected --name")
    endpoint = Endpoint(**_group(values, "endpoint"))
    cloud = Cloud(**_group(values, "cloud"))
    found = make_endpoint_settings(values["name"], endpoint, cloud)
    # `found` is not None, because the command line calls this function only if the user gave an
    # endpoint.
    assert found is not None
    return found


def build_serving_dir(settings: Mapping[str, Setting]) -> str:
    """Returns the path of the serving directory, for commands such as --rollback.

    Args:
      settings: the settings that the user gave, in a dictionary by dotted key. The settings must
        contain at least one of `name`, `pipeline_root`, `serving_dir` and `cloud.state_dir`.

    Raises:
      InputError: a setting is wrong (see `build_config`), or `settings` contain neither the name of
        the pipeline nor one of its directories.
    """
    values = _checked_values(settings)
    if values.get("serving_dir"):
        return make_absolute(values["serving_dir"])
    if values.get("cloud.state_dir"):
        return default_serving_dir(normalise(values["cloud.state_dir"]))
    if values.get("pipeline_root"):
        return default_serving_dir(make_absolute(values["pipeline_root"]))
    if values.get("name"):
        return default_serving_dir(str(default_root(values["name"])))
    raise InputError("no pipeline is named; expected --name, --pipeline-root or --serving-dir")


def _checked_values(settings: Mapping[str, Setting]) -> dict[str, Any]:
    values = {}
    for key, setting in settings.items():
        if key not in OPTIONS:
            hint = did_you_mean(key, OPTIONS) or "--list-options prints the keys"
            raise InputError(f"{setting.origin}: there is no key {key}; {hint}")
        values[key] = check_setting(setting, OPTIONS[key])
    return values


def _group(values: Mapping[str, Any], group: str) -> dict[str, Any]:
    """Returns the options in a group, in a dictionary by name, such as "epochs" for `train.epochs`.

    Args:
      values: the values of options, in a dictionary by dotted key.
      group: the name of the group, such as "train" for `train.epochs`; "" for the options whose
        keys contain no dot.
    """
    start = f"{group}." if group else ""
    return {
        key.removeprefix(start): value
        for key, value in values.items()
        if key.startswith(start) and "." not in key.removeprefix(start)
    }


def _changed_origins(values: Mapping[str, Any], settings: Mapping[str, Setting]) -> dict[str, str]:
    """Returns the flag or YAML key of each option whose value differs from its default, in a
    dictionary by dotted key.
    """
    return {
        key: settings[key].origin
        for key, value in values.items()
        if value != OPTIONS[key].field.default
    }


def _is_changed(config: Config, key: str) -> bool:
    """Returns whether an option differs from its default.

    The default of a training option, such as `train.epochs`, is the value in the recipe.
    """
    default = RECIPES[config.recipe].values().get(key, OPTIONS[key].field.default)
    return bool(config.value(key) != default)


def _fill(
    values: dict[str, Any], dataset: Dataset, reference: ModelReference, recipe_name: str
) -> Config:
    """Builds the configuration from `values`, from the recipe, and from defaults."""
    recipe = RECIPES[recipe_name]
    given = functools.partial(_group, values)
    top = given("")
    name = top.get("name") or default_name(dataset.name, top["model"], top.get("tune", "full"))
    compiled = values.get("run.runner") in COMPILED_RUNNERS
    given_root = top.get("pipeline_root") or ("" if compiled else str(default_root(name)))
    root = make_absolute(given_root) if given_root else ""
    serving = top.get("serving_dir")
    cloud = Cloud(**given("cloud"))
    if cloud.state_dir:
        cloud = dataclasses.replace(cloud, state_dir=normalise(cloud.state_dir))
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
            "serving_dir": make_absolute(serving)
            if serving
            else default_serving_dir(cloud.state_dir or root),
        },
        backbone=BackboneInput(**given("backbone")),
        ingest=Ingest(
            **given("ingest"),
            splits=Splits(**given("ingest.splits")),
            features=Features(**given("ingest.features")),
        ),
        data=Data(**given("data")),
        train=dataclasses.replace(recipe.hyperparameters, **_override_alternatives(given("train"))),
        augment=dataclasses.replace(recipe.augmentation, **given("augment")),
        gate=Gate(**{"min_accuracy": min_accuracy} | given("gate")),
        serve=Serve(**given("serve")),
        serving_check=ServingCheck(**given("serving_check")),
        report=Report(**given("report")),
        endpoint=Endpoint(**given("endpoint")),
        run=Run(**given("run")),
        cloud=cloud,
        machines=machines,
    )
    if runner == "kubeflow":
        check_storage(
            pipeline_root=root,
            state_dir=cloud.state_dir,
            volumes=cloud.volumes,
            written={"--serving-dir": config.serving_dir},
        )
    check_custom_job(machines.trainer, config.cloud, config.train, tune=config.tune)
    check_endpoint(config.name, config.endpoint, config.cloud)
    return config


def _override_alternatives(given: dict[str, Any]) -> dict[str, Any]:
    """Returns `given`, with None for each option that would override an option in `given`.

    For example, if `steps` is set, `epochs` has no effect. If the user gives `epochs`, this
    function sets `steps` to None, because the recipe may set `steps`.
    """
    for first, second in ALTERNATIVES:
        if second.removeprefix("train.") in given:
            given = {first.removeprefix("train."): None} | given
    return given
