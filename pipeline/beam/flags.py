"""Refuses wrong flags for Beam before a pipeline is run or compiled.

Most of the checks call Beam's own validators, which Beam itself would call only when a node starts.
This module also refuses unknown flags, which Beam discards with a warning, and data or directories
that Beam's workers cannot reach.

The command line imports this module only if the user gave flags for Beam, because the import of
Beam takes two seconds.
"""

import argparse
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    SetupOptions,
    SparkRunnerOptions,
)
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
from apache_beam.runners.runner import create_runner

from common.errors import InputError, did_you_mean
from pipeline.beam.engine import beam_arguments, selected_runner, workers_are_elsewhere
from pipeline.options.config import Config
from pipeline.options.storage import is_in_launcher_store

# Runners that send pipelines to a job server, a Java program. A job server may have flags that Beam
# for Python does not know.
_JOB_SERVERS = ("FlinkRunner", "SparkRunner", "PortableRunner")

# Flags whose values are files on the machine that submits the pipeline to the engine.
_FILES = (
    (SetupOptions, "setup_file"),
    (SetupOptions, "requirements_file"),
    (SetupOptions, "extra_packages"),
    (FlinkRunnerOptions, "flink_job_server_jar"),
    (SparkRunnerOptions, "spark_job_server_jar"),
)


class _CloudOptions(GoogleCloudOptions):
    """Beam's Google Cloud options, whose validation sends no request to Cloud Storage.

    Beam's own validation sends requests about the buckets of `--temp_location` and
    `--staging_location`. These requests need credentials, and take minutes without a network.
    """

    def validate(self, validator: PipelineOptionsValidator) -> list[str]:
        if not validator.is_service_runner():
            return []
        return [
            *validator.validate_gcs_path(self, "temp_location"),
            *validator.validate_cloud_options(self),
        ]


class _Validator(PipelineOptionsValidator):
    """Beam's validator, with `_CloudOptions` instead of Beam's class `GoogleCloudOptions`."""

    OPTIONS = [  # noqa: RUF012 (as in Beam's class)
        _CloudOptions if kind is GoogleCloudOptions else kind
        for kind in PipelineOptionsValidator.OPTIONS
    ]


def check_beam_flags(config: Config) -> None:
    """Checks the flags for Beam in `config`.

    Raises:
      InputError: a flag is unknown or missing, contradicts another flag, or names a file that does
        not exist; or workers on other machines would have to read files of this machine.
    """
    given = config.run.beam_args
    with _silence_beam():
        _check_known(given)
        options = PipelineOptions(list(given))
        name = selected_runner(options)
        _check_by_beam(options, name, in_image=config.run.is_compiled)
        _check_files(options, in_image=config.run.is_compiled)
        beam_arguments(given)
        check_worker_storage(config)


def _check_known(given: Sequence[str]) -> None:
    parser = _parser()
    _, unknown = parser.parse_known_args(list(given))
    known = re.findall(r"--\w+", parser.format_usage())
    runner = selected_runner(PipelineOptions(list(given)))
    for text in unknown:
        flag = text.partition("=")[0]
        has_others = flag.startswith("--") and runner.endswith(_JOB_SERVERS)
        # A flag that Beam for Python does not know may be a flag of the job server. So if the
        # runner has a job server, this loop refuses an unknown flag only if it looks like a
        # misspelled flag of Beam.
        meant = did_you_mean(flag, known, cutoff=0.85 if has_others else 0.6)
        if meant or not has_others:
            hint = meant or "expected a flag of Beam"
            raise InputError(f"--beam-arg={text}: {runner} has no flag {flag}; {hint}")


def _parser() -> argparse.ArgumentParser:
    """Returns Beam's parser for all flags; the parser raises InputError for an invalid value."""
    parsers: list[argparse.ArgumentParser] = []
    PipelineOptions([]).get_all_options(add_extra_args_fn=parsers.append)
    (parser,) = parsers

    def refuse(message: str) -> NoReturn:
        raise InputError(f"--beam-arg: {message.removeprefix('argument ')}")

    parser.error = refuse  # type: ignore[method-assign]
    return parser


def _check_by_beam(options: PipelineOptions, name: str, *, in_image: bool) -> None:
    """Lets Beam check the runner and its options, and raises InputError with Beam's messages."""
    try:
        runner = create_runner(name)
    except (ValueError, ImportError, AttributeError) as error:
        raise InputError(f"--beam-arg=--runner={name}: {error}") from error
    if in_image:
        # Without this line, Beam would call gcloud to find Google Cloud's default region, but the
        # container image has no gcloud.
        runner.get_default_gcp_region = lambda: None
    errors = _Validator(options, runner).validate()
    if errors:
        raise InputError(f"--beam-arg, for {name}: {' '.join(' '.join(errors).split())}")


def _check_files(options: PipelineOptions, *, in_image: bool) -> None:
    for kind, name in _FILES:
        value = getattr(options.view_as(kind), name) or []
        for file in [value] if isinstance(value, str) else value:
            if "://" in file:
                continue
            if in_image and not file.startswith("/"):
                raise InputError(
                    f"--beam-arg=--{name}={file}: the file is read in a container, which does not "
                    "have it; expected a URL or an absolute path in the container "
                    "image"
                )
            if not in_image and not Path(file).exists():
                raise InputError(
                    f"--beam-arg=--{name}={file}: no such file; expected a file on this machine"
                )


def check_worker_storage(config: Config) -> None:
    """Refuses data and directories that Beam's workers cannot reach.

    Raises:
      InputError: the workers run on other machines, and cannot reach a directory or the data.
    """
    given = config.run.beam_args
    if not workers_are_elsewhere(given):
        return
    runner = selected_runner(PipelineOptions(list(given)))
    if is_in_launcher_store(config.pipeline_root):
        raise InputError(
            f"--pipeline-root {config.pipeline_root}: the workers of {runner} cannot read "
            "minio:// and s3:// URIs; expected gs://BUCKET/PATH, or leave out the --beam-arg "
            "that names the engine"
        )
    # Evaluator's Beam workers read the champion from the state directory. Only the steps mount the
    # volumes of `cloud.volumes`, so the state directory must be in a bucket.
    state_dir = config.cloud.state_dir
    if state_dir and "://" not in state_dir:
        raise InputError(
            f"cloud.state_dir {state_dir}: the workers of {runner} do not mount this volume; "
            "expected gs://BUCKET/PATH"
        )
    if config.source["kind"] == "tfds" and not config.source["data_dir"]:
        raise InputError(
            f"--dataset {config.dataset}: TFDS keeps its data on this machine's disk, which the "
            f"workers of {runner} may not have; expected --data-dir, such as gs://BUCKET/PATH"
        )
    # This function refuses local paths only for Dataflow, because the workers of other engines may
    # share a disk with this machine.
    if not runner.endswith("DataflowRunner"):
        return
    places: dict[str, str | None] = {"--pipeline-root": config.pipeline_root}
    # In a compiled pipeline, this function allows a local path to the data, because the container
    # image may contain the data.
    if not config.run.is_compiled:
        places |= {"--dataset": config.source.get("path"), "--data-dir": config.data_dir}
    for flag, place in places.items():
        if place and "://" not in place:
            raise InputError(
                f"{flag} {place}: the workers of {runner} do not have this machine's disk; "
                "expected gs://BUCKET/PATH"
            )


@contextmanager
def _silence_beam() -> Iterator[None]:
    """A context in which Beam does not log to the screen.

    Beam logs to the screen if the root logger has no handler, so this context adds a NullHandler.
    """
    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
