"""Adds flags for Beam's engine and workers to the flags that the user gave."""

import re
from collections.abc import Sequence

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    SparkRunnerOptions,
    StandardOptions,
    WorkerOptions,
)

from common.errors import InputError

_DIRECT = (
    "--runner=DirectRunner",
    # With `--allow_unsafe_triggers`, DirectRunner immediately uses Beam's Python engine. Without
    # `--allow_unsafe_triggers`, DirectRunner first tries to download another engine.
    # `--allow_unsafe_triggers` allows triggers that may lose data, but this project uses no
    # triggers.
    "--allow_unsafe_triggers",
)
# Without `--sdk_container_image`, TFX would build a package of TFX's own code for the Beam workers
# of each node. Building this package takes two seconds, and pip cannot install the package, because
# TFX pins other versions of some packages than this project uses. Workers outside containers ignore
# `--sdk_container_image` and run the installed code.
_INSTALLED = "--sdk_container_image=none"


def beam_arguments(given: Sequence[str]) -> tuple[str, ...]:
    """Returns the flags for Beam that every pipeline needs, followed by the given flags.

    The given flags come last, so that the user can override the flags of this project.

    Raises:
      InputError: the workers run in containers, and no flag names the container image.
    """
    options = PipelineOptions(list(given))
    runner = selected_runner(options)
    if runner.endswith("DirectRunner"):
        return (*_DIRECT, _INSTALLED, *given)
    if _environment(options) != "DOCKER":
        return (_INSTALLED, *given)
    setup = options.view_as(SetupOptions)
    named = options.view_as(WorkerOptions).sdk_container_image or setup.extra_packages
    if not (named or setup.setup_file or setup.requirements_file):
        raise InputError(
            f"--beam-arg=--runner={runner}: its workers are containers, but no image is given; "
            "expected --beam-arg=--sdk_container_image=IMAGE, an image of this project (make image "
            "TARGET=worker)"
        )
    return tuple(given)


def workers_are_elsewhere(given: Sequence[str]) -> bool:
    """Returns whether Beam's workers may be unable to read the files of this machine.

    Args:
      given: flags for Beam.
    """
    return _environment(PipelineOptions(list(given))) not in ("", "LOOPBACK")


def selected_runner(options: PipelineOptions) -> str:
    """Returns Beam's spelling of the runner's name, such as DataflowRunner for `dataflow`."""
    name = options.view_as(StandardOptions).runner or "DirectRunner"
    known = {runner.lower(): runner for runner in StandardOptions.KNOWN_RUNNER_NAMES}
    return known.get(name.lower(), known.get(f"{name}runner".lower(), name))


def _environment(options: PipelineOptions) -> str:
    """Returns Beam's `environment_type`, such as DOCKER; empty for workers in this process."""
    environment = options.view_as(PortableOptions).environment_type
    runner = selected_runner(options)
    if runner.endswith("DirectRunner"):
        return ""
    if environment:
        return environment.upper()
    if runner.endswith("FlinkRunner"):
        master = options.view_as(FlinkRunnerOptions).flink_master
        return "" if master in ("[local]", "[auto]") else "DOCKER"
    if runner.endswith("SparkRunner"):
        master = options.view_as(SparkRunnerOptions).spark_master_url
        return "" if re.fullmatch(r"local(\[.+\])?", master) else "DOCKER"
    return "DOCKER" if runner.endswith(("DataflowRunner", "PortableRunner")) else ""
