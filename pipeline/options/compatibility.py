"""Which options do something where, as data; what would be ignored is refused.

Imports no TensorFlow.
"""

from collections.abc import Mapping
from typing import Any

from common.errors import InputError
from pipeline.options.cluster import COMPILED_RUNNERS

_VERTEX = ("vertex",)
_KUBEFLOW = ("kubeflow",)

# The runners that honour an option, by its key; a key that ends in a dot stands for all below it.
# What is not here is for every runner.
RUNNERS: Mapping[str, tuple[str, ...]] = {
    "cloud.project": _VERTEX,
    "cloud.region": _VERTEX,
    "cloud.network": _VERTEX,
    "cloud.encryption_key": _VERTEX,
    "cloud.labels": _VERTEX,
    "cloud.api_endpoint": _VERTEX,
    "cloud.host": _KUBEFLOW,
    "cloud.namespace": _KUBEFLOW,
    "cloud.token_file": _KUBEFLOW,
    "cloud.": COMPILED_RUNNERS,
    "machines.trainer.machine_type": _VERTEX,
    "machines.trainer.workers": _VERTEX,
    "machines.trainer.tpu_topology": _VERTEX,
    "machines.": COMPILED_RUNNERS,
    "run.fail_on_unblessed": COMPILED_RUNNERS,
}

# What does nothing without a schedule.
OF_SCHEDULES = ("cloud.start", "cloud.end", "cloud.max_concurrent_runs")

# Of two options the one that would do nothing, the other, and why.
CONFLICTS = (
    ("cloud.schedule", "cloud.output", "which only compiles"),
    ("cloud.wait", "cloud.output", "which only compiles"),
    ("cloud.wait", "cloud.schedule", "whose runs begin later"),
)


# Options of which the first, where it is given, says all that the second does.
ALTERNATIVES = (
    ("train.steps", "train.epochs"),
    ("train.warmup_epochs", "train.warmup_steps"),
)


def check_runner(runner: str, given: Mapping[str, str]) -> None:
    """Refuses options that `runner` ignores.

    Args:
      runner: its name.
      given: where each option that has not its default was given, by dotted key.

    Raises:
      InputError: there is one.
    """
    for key, origin in given.items():
        honouring = _runners(key)
        if honouring and runner not in honouring:
            raise InputError(
                f"{origin}: found --runner {runner}; expected {' or '.join(honouring)}, or leave "
                "it out"
            )


def check_together(given: Mapping[str, str]) -> None:
    """Refuses options that do nothing beside, or without, another.

    Args:
      given: as `check_runner` takes it.

    Raises:
      InputError: there is one.
    """
    for key in OF_SCHEDULES:
        if key in given and "cloud.schedule" not in given:
            raise InputError(f"{given[key]}: does nothing without --schedule; expected both")
    for key, other, why in CONFLICTS:
        if key in given and other in given:
            raise InputError(
                f"{given[key]}: does nothing beside {given[other]}, {why}; expected one of them"
            )


def check_alternatives(values: Mapping[str, Any], origins: Mapping[str, str]) -> None:
    """Refuses two options that say the same thing.

    Args:
      values: what was given, by dotted key.
      origins: where each of them was given, by dotted key.

    Raises:
      InputError: there are two.
    """
    for first, second in ALTERNATIVES:
        if values.get(first) is not None and values.get(second) is not None:
            raise InputError(
                f"{origins[second]} {values[second]}: does nothing beside {origins[first]} "
                f"{values[first]}; expected one of them"
            )


def leave_alternatives_out(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves out of a whole configuration each option that another one makes useless.

    Args:
      values: of all options, by dotted key.
    """
    unused = {second for first, second in ALTERNATIVES if values[first] is not None}
    return {key: value for key, value in values.items() if key not in unused}


def _runners(key: str) -> tuple[str, ...]:
    groups = (group for group in RUNNERS if group.endswith(".") and key.startswith(group))
    return RUNNERS.get(key) or next((RUNNERS[group] for group in groups), ())
