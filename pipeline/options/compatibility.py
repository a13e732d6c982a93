"""Checks that every given option has an effect in combination with the other given options.

This module does not import TensorFlow, which takes seconds to import.
"""

from collections.abc import Mapping
from typing import Any

from common.errors import InputError
from pipeline.options.cluster import COMPILED_RUNNERS

_VERTEX = ("vertex",)
_KUBEFLOW = ("kubeflow",)

# For each option that has an effect only with some runners, the names of these runners. Options
# without an entry have an effect with every runner. A key that ends in a dot, such as `cloud.`,
# stands for a group of options. An option in the group, such as `cloud.project`, may have a
# separate entry, which then applies instead of the entry of the group.
RUNNERS: Mapping[str, tuple[str, ...]] = {
    "cloud.project": _VERTEX,
    "cloud.region": _VERTEX,
    "cloud.network": _VERTEX,
    "cloud.encryption_key": _VERTEX,
    "cloud.labels": _VERTEX,
    "cloud.api_endpoint": _VERTEX,
    "endpoint.": _VERTEX,
    "cloud.host": _KUBEFLOW,
    "cloud.namespace": _KUBEFLOW,
    "cloud.token_file": _KUBEFLOW,
    "cloud.volumes": _KUBEFLOW,
    "cloud.state_dir": _KUBEFLOW,
    "cloud.": COMPILED_RUNNERS,
    "machines.trainer.machine_type": _VERTEX,
    "machines.trainer.workers": _VERTEX,
    "machines.trainer.tpu_topology": _VERTEX,
    "machines.": COMPILED_RUNNERS,
    "run.fail_on_unblessed": COMPILED_RUNNERS,
    "run.track": ("local", "beam"),
}

# Options that have no effect without `--schedule`.
SCHEDULE_OPTIONS = ("cloud.start", "cloud.end", "cloud.max_concurrent_runs")

# Options that have no effect without `--endpoint`.
ENDPOINT_OPTIONS = (
    "endpoint.traffic",
    "endpoint.container",
    "endpoint.machine_type",
    "endpoint.accelerator",
    "endpoint.min_replicas",
    "endpoint.max_replicas",
)

# Each row contains an option, a second option with which the first option has no effect, and the
# reason, for the error message.
CONFLICTS = (
    ("cloud.schedule", "cloud.output", "which only compiles"),
    ("cloud.wait", "cloud.output", "which only compiles"),
    ("cloud.wait", "cloud.schedule", "whose runs begin later"),
)


# Pairs of options that set the same quantity in different units, such as steps and epochs. If both
# options of a pair have a value, the second option has no effect.
ALTERNATIVES = (
    ("train.steps", "train.epochs"),
    ("train.warmup_epochs", "train.warmup_steps"),
)


def check_runner(runner: str, given: Mapping[str, str]) -> None:
    """Checks that `runner` uses every option that the user gave.

    Args:
      runner: the name of the runner.
      given: the flag or YAML key of each option that differs from its default, in a dictionary by
        dotted key.

    Raises:
      InputError: `runner` ignores an option.
    """
    for key, origin in given.items():
        supporting = _runners(key)
        if supporting and runner not in supporting:
            raise InputError(
                f"{origin}: has no effect with --runner {runner}; expected --runner "
                f"{' or '.join(supporting)}, or leave it out"
            )


def check_together(given: Mapping[str, str]) -> None:
    """Refuses options that have no effect because another option is given or missing.

    Args:
      given: the flag or YAML key of each option that differs from its default, in a dictionary by
        dotted key.

    Raises:
      InputError: an option has no effect.
    """
    for key in SCHEDULE_OPTIONS:
        if key in given and "cloud.schedule" not in given:
            raise InputError(f"{given[key]}: has no effect without --schedule; expected both")
    for key in ENDPOINT_OPTIONS:
        if key in given and "endpoint.name" not in given:
            raise InputError(f"{given[key]}: has no effect without --endpoint; expected both")
    for key, other, why in CONFLICTS:
        if key in given and other in given:
            raise InputError(
                f"{given[key]}: has no effect with {given[other]}, {why}; expected only one of the "
                "two"
            )


def check_alternatives(values: Mapping[str, Any], origins: Mapping[str, str]) -> None:
    """Checks that the user gave at most one option of each pair in `ALTERNATIVES`.

    Args:
      values: the values that the user gave, in a dictionary by dotted key.
      origins: the flag or YAML key of each value, in a dictionary by dotted key.

    Raises:
      InputError: both options of a pair are given.
    """
    for first, second in ALTERNATIVES:
        if values.get(first) is not None and values.get(second) is not None:
            raise InputError(
                f"{origins[second]} {values[second]}: has no effect with {origins[first]} "
                f"{values[first]}; expected only one of the two"
            )


def leave_alternatives_out(values: Mapping[str, Any]) -> dict[str, Any]:
    """Removes each option that has no effect because another option is set.

    For example, if `train.steps` is set, this function removes `train.epochs`.

    Args:
      values: the values of all options, in a dictionary by dotted key.
    """
    unused = {second for first, second in ALTERNATIVES if values[first] is not None}
    return {key: value for key, value in values.items() if key not in unused}


def _runners(key: str) -> tuple[str, ...]:
    groups = (group for group in RUNNERS if group.endswith(".") and key.startswith(group))
    return RUNNERS.get(key) or next((RUNNERS[group] for group in groups), ())
