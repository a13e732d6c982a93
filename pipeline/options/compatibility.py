"""Which options do something where, as data; what would be ignored is refused.

Imports no TensorFlow.
"""

from collections.abc import Mapping

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


def _runners(key: str) -> tuple[str, ...]:
    groups = (group for group in RUNNERS if group.endswith(".") and key.startswith(group))
    return RUNNERS.get(key) or next((RUNNERS[group] for group in groups), ())
