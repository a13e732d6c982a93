"""Builds the command line that repeats a run.

This module does not import TensorFlow, which takes seconds to import.
"""

import shlex
from collections.abc import Iterator
from typing import Any

from backbones.reference import parse_model
from common.urls import remove_secrets
from pipeline.datasets import find_dataset
from pipeline.options.config import OPTIONS, Config
from pipeline.options.defaults import (
    default_floor,
    default_name,
    default_recipe,
    default_root,
    default_serving_dir,
)
from pipeline.options.flags import FLAGS
from pipeline.recipes import RECIPES

# The command that repeats a run leaves out these options, because they do not affect the results of
# the run. These options only determine where the user sees the progress and the results.
_SCREEN_OPTIONS = {"run.verbose", "run.track", "cloud.wait"}


def make_command(config: Config, *commands: str) -> str:
    """Returns the command that repeats a run, with all options that differ from their defaults.

    The command leaves out secrets that URLs contain.

    Args:
      config: the configuration of the run.
      commands: flags that make the command do something other than a full run, such as `--inspect`.
    """
    parts = ["python", "pipeline_runner.py"]
    flags = {key: flag for flag, key in FLAGS.items()}
    for key, value in _list_changed_options(config):
        parts += _arguments(key, value, flags.get(key))
    return shlex.join([*parts, *commands])


def describe_options(config: Config) -> dict[str, str]:
    """Returns the options of a run as texts without secrets, in a dictionary by dotted key.

    The result contains the model, the dataset, all training options, and every option that differs
    from its default.
    """
    training = {key: config.value(key) for key in RECIPES[config.recipe].values()}
    return {
        key: remove_secrets(str(value))
        for key, value in (training | dict(_list_changed_options(config))).items()
    }


def _list_changed_options(config: Config) -> Iterator[tuple[str, Any]]:
    """Yields the key and the value of `model`, of `dataset`, and of each option that differs from
    its default.
    """
    defaults = _defaults(config)
    for key, value in config.values().items():
        is_default = value == defaults[key] and key not in ("model", "dataset")
        if not (is_default or value in (None, "") or key in _SCREEN_OPTIONS):
            yield key, value


def _arguments(key: str, value: Any, flag: str | None) -> list[str]:
    if isinstance(value, tuple) and flag:
        return [f"{flag}={part}" for part in value]
    if isinstance(value, tuple):
        return ["--set", f"{key}={','.join(value)}"]
    if value is True and flag:
        return [flag]
    text = str(value).lower() if isinstance(value, bool) else remove_secrets(str(value))
    return [flag, text] if flag and not isinstance(value, bool) else ["--set", f"{key}={text}"]


def _defaults(config: Config) -> dict[str, Any]:
    """Returns the default of each option, in a dictionary by dotted key. Some defaults depend on
    other options in `config`.
    """
    recipe = RECIPES[config.recipe]
    reference = parse_model(config.model)
    dataset = find_dataset(config.dataset, here=not config.run.is_compiled)
    defaults = {key: option.field.default for key, option in OPTIONS.items()}
    is_there = config.run.is_compiled
    return (
        defaults
        | recipe.values()
        | {
            "recipe": default_recipe(dataset, reference, config.tune),
            "name": default_name(dataset.name, config.model, config.tune),
            "pipeline_root": "" if is_there else str(default_root(config.name)),
            "serving_dir": default_serving_dir(config.state_dir),
            "gate.min_accuracy": default_floor(recipe, reference, config.weights),
        }
    )
