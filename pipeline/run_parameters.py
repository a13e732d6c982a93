"""The parameters of a compiled pipeline: options whose values each run of the pipeline may set.

This module imports TFX, which takes seconds to import, only when it builds RuntimeParameters.
"""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any

from common.errors import InputError
from pipeline.options.build import build_config
from pipeline.options.compatibility import leave_alternatives_out
from pipeline.options.config import OPTIONS, Config
from pipeline.options.defaults import default_serving_dir
from pipeline.options.settings import Setting


@dataclasses.dataclass(frozen=True)
class RunParameter:
    """A parameter of a compiled pipeline.

    Attributes:
      name: the name that users see when they start a run.
      type: int, float or str.
      key: the dotted key of the option that the parameter sets. If the option depends on the kind
        of dataset, `key` maps each kind of dataset to a dotted key.
    """

    name: str
    type: type
    key: str | Mapping[str, str]

    def key_in(self, config: Config) -> str | None:
        """Returns the dotted key of the option that the parameter sets in `config`.

        The result is None if the parameter sets no option for the kind of dataset in `config`.
        """
        return self.key if isinstance(self.key, str) else self.key.get(config.source["kind"])


PARAMETERS = (
    RunParameter("pipeline_root", str, "pipeline_root"),
    RunParameter("epochs", int, "train.epochs"),
    RunParameter("steps", int, "train.steps"),
    RunParameter("batch_size", int, "train.batch_size"),
    RunParameter("learning_rate", float, "train.learning_rate"),
    RunParameter("min_accuracy", float, "gate.min_accuracy"),
    RunParameter("serving_dir", str, "serving_dir"),
    RunParameter(
        "data_path",
        str,
        {"tfds": "data_dir"}
        | dict.fromkeys(("folder", "remote_folder", "manifest", "tfrecord"), "dataset"),
    ),
)


def runtime_parameters(config: Config) -> dict[str, Any]:
    """Returns TFX's RuntimeParameters of the pipeline that `config` describes, by name.

    If an option may be None, the value 0 or the empty text of the parameter sets the option to
    None. If a parameter has no default, each run must give a value.
    """
    from tfx.orchestration.data_types import RuntimeParameter

    defaults = parameter_values(config)
    return {
        parameter.name: RuntimeParameter(
            name=parameter.name,
            ptype=parameter.type,
            default=defaults.get(parameter.name),
            description=_describe_parameter(key),
        )
        for parameter in PARAMETERS
        if (key := parameter.key_in(config)) is not None
    }


def parameter_values(config: Config) -> dict[str, int | float | str]:
    """Returns the values of the pipeline's parameters in `config`, by name."""
    values = config.values()
    if config.serving_dir == default_serving_dir(config.state_dir):
        # If the parameter `serving_dir` is empty, a run derives its serving directory from its own
        # pipeline root.
        values["serving_dir"] = ""
    found = {}
    for parameter in PARAMETERS:
        key = parameter.key_in(config)
        if key is None or (parameter.name == "pipeline_root" and not config.pipeline_root):
            continue
        value = values[key]
        found[parameter.name] = parameter.type() if value is None else parameter.type(value)
    return found


def with_parameters(config: Config, given: Mapping[str, Any]) -> Config:
    """Returns the configuration of a run: `config`, changed by the parameters of the run.

    Args:
      config: the configuration of the compiled pipeline.
      given: the values of the parameters, by name.

    Raises:
      InputError: a value is missing or outside its range.
    """
    settings = {key: Setting(value, key) for key, value in config.values().items()}
    for parameter in PARAMETERS:
        key = parameter.key_in(config)
        if key is not None and parameter.name in given:
            value = given[parameter.name]
            is_open = _may_be_open(key) and not value
            settings[key] = Setting(None if is_open else value, f"parameter {parameter.name}")
    if not settings["pipeline_root"].value:
        raise InputError(
            "parameter pipeline_root: is empty; expected a directory that all containers can "
            "reach, such as gs://BUCKET/PATH"
        )
    used = leave_alternatives_out({key: setting.value for key, setting in settings.items()})
    return build_config({key: settings[key] for key, value in used.items() if value != ""})


def _describe_parameter(key: str) -> str:
    open_value = {True: " (0 or empty for none)", False: ""}[_may_be_open(key)]
    return OPTIONS[key].help + open_value


def _may_be_open(key: str) -> bool:
    return isinstance(OPTIONS[key].type, types.UnionType)
