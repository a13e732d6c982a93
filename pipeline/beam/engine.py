"""What Beam is told beyond the flags that were given: which engine, and what its workers run."""

import dataclasses
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
from pipeline.options.config import Config

_DIRECT = (
    "--runner=DirectRunner",
    # Without triggers this changes nothing, except that Beam takes its own Python engine at once
    # rather than try to download another one first.
    "--allow_unsafe_triggers",
)
# Where nothing says what workers run, TFX packs itself up for them, two seconds a node, and pip is
# to install it, which cannot satisfy TFX's pins. Workers that are no containers run what is
# installed, and nobody looks at this.
_INSTALLED = "--sdk_container_image=none"


def set_engine(config: Config) -> Config:
    """`config` with all flags for Beam; see `beam_arguments`."""
    run = dataclasses.replace(config.run, beam_args=beam_arguments(config.run.beam_args))
    return dataclasses.replace(config, run=run)


def beam_arguments(given: Sequence[str]) -> tuple[str, ...]:
    """All flags for Beam's pipelines, from those that were given; these come last, and win.

    Raises:
      InputError: workers would be containers, and it is not said of which image.
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
            f"--beam-arg=--runner={runner}: its workers are containers, of no image; expected "
            "--beam-arg=--sdk_container_image=IMAGE, one of this project (make image TARGET=worker)"
        )
    return tuple(given)


def workers_are_elsewhere(given: Sequence[str]) -> bool:
    """Whether workers may have no more in common with this process than the pipeline root.

    Args:
      given: flags for Beam.
    """
    return _environment(PipelineOptions(list(given))) not in ("", "LOOPBACK")


def selected_runner(options: PipelineOptions) -> str:
    """The runner that `options` name, as Beam spells it: `--runner=dataflow` will do."""
    name = options.view_as(StandardOptions).runner or "DirectRunner"
    known = {runner.lower(): runner for runner in StandardOptions.KNOWN_RUNNER_NAMES}
    return known.get(name.lower(), known.get(f"{name}runner".lower(), name))


def _environment(options: PipelineOptions) -> str:
    """What workers are, by the rules of Beam's own runners: empty for parts of this process."""
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
