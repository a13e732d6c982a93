"""Refuses flags for Beam that could not work, before anything is run or compiled.

Imports Beam, a matter of two seconds, and no TensorFlow.
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
    StandardOptions,
)
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
from apache_beam.runners.runner import PipelineRunner, create_runner

from common.errors import InputError, did_you_mean
from pipeline.beam.engine import beam_arguments, selected_runner, workers_are_elsewhere
from pipeline.options.config import Config

# Their job servers, in Java, have flags that Beam for Python does not know.
_JOB_SERVERS = ("FlinkRunner", "SparkRunner", "PortableRunner")

# Flags whose values are files of the machine that hands the pipeline to the engine.
_FILES = (
    (SetupOptions, "setup_file"),
    (SetupOptions, "requirements_file"),
    (SetupOptions, "extra_packages"),
    (FlinkRunnerOptions, "flink_job_server_jar"),
    (SparkRunnerOptions, "spark_job_server_jar"),
)


_DATAFLOW_NEEDS = ("project", "region", "temp_location")


class _CloudOptions(GoogleCloudOptions):
    """Google Cloud's, checked without a look at the bucket.

    Beam's own check takes credentials for that, and minutes where there is no network.
    """

    def validate(self, validator: PipelineOptionsValidator) -> list[str]:
        if not validator.is_service_runner():
            return []
        return [
            *validator.validate_gcs_path(self, "temp_location"),
            *validator.validate_cloud_options(self),
        ]


class _Validator(PipelineOptionsValidator):
    """Beam's own, with the above."""

    OPTIONS = [  # noqa: RUF012 (Beam's way)
        _CloudOptions if kind is GoogleCloudOptions else kind
        for kind in PipelineOptionsValidator.OPTIONS
    ]


def check_beam_flags(config: Config) -> None:
    """Refuses flags for Beam that its engine does not know, lacks or could not follow.

    Raises:
      InputError: a flag is unknown, missing, of no use with others or names a file that is not
        there; or workers on other machines could not read what is only on this one.
    """
    given = config.run.beam_args
    with _silence_beam():
        _check_known(given)
        options = PipelineOptions(list(given))
        name = selected_runner(options)
        runner = _runner(name)
        if name.endswith("DataflowRunner"):
            _check_complete(options)
        errors = _Validator(options, runner).validate()
        if errors:
            raise InputError(f"--beam-arg, for {name}: {' '.join(' '.join(errors).split())}")
        _check_files(options, in_image=config.run.is_compiled)
        beam_arguments(given)
        if workers_are_elsewhere(given):
            _check_places(config, name)


def _check_known(given: Sequence[str]) -> None:
    parser = _parser()
    _, unknown = parser.parse_known_args(list(given))
    known = re.findall(r"--\w+", parser.format_usage())
    runner = selected_runner(PipelineOptions(list(given)))
    for text in unknown:
        flag = text.partition("=")[0]
        has_others = flag.startswith("--") and runner.endswith(_JOB_SERVERS)
        # There, only what looks like a slip is refused.
        meant = did_you_mean(flag, known, cutoff=0.85 if has_others else 0.6)
        if meant or not has_others:
            hint = meant or "expected one of Beam's own"
            raise InputError(f"--beam-arg={text}: {runner} has no flag {flag}; {hint}")


def _parser() -> argparse.ArgumentParser:
    """Beam's own, with every flag, that raises InputError at a value of the wrong kind."""
    parsers: list[argparse.ArgumentParser] = []
    PipelineOptions([]).get_all_options(add_extra_args_fn=parsers.append)
    (parser,) = parsers

    def refuse(message: str) -> NoReturn:
        raise InputError(f"--beam-arg: {message.removeprefix('argument ')}")

    parser.error = refuse  # type: ignore[method-assign]
    return parser


def _runner(name: str) -> PipelineRunner:
    try:
        return create_runner(name)
    except (ValueError, ImportError, AttributeError) as error:
        raise InputError(
            f"--beam-arg=--runner={name}: no such runner; expected one of "
            f"{', '.join(StandardOptions.KNOWN_RUNNER_NAMES)}, or the import path of another"
        ) from error


def _check_complete(options: PipelineOptions) -> None:
    """Nothing is taken from gcloud's settings: they are this machine's, and not a container's."""
    cloud = options.view_as(GoogleCloudOptions)
    missing = [f"--beam-arg=--{name}" for name in _DATAFLOW_NEEDS if not getattr(cloud, name)]
    if missing:
        raise InputError(
            f"{' and '.join(missing)} missing; Dataflow needs --project=PROJECT, --region=REGION "
            "and --temp_location=gs://BUCKET/PATH, each as a --beam-arg"
        )


def _check_files(options: PipelineOptions, *, in_image: bool) -> None:
    for kind, name in _FILES:
        value = getattr(options.view_as(kind), name) or []
        for file in [value] if isinstance(value, str) else value:
            if "://" in file:
                continue
            if in_image and not file.startswith("/"):
                raise InputError(
                    f"--beam-arg=--{name}={file}: it is read in a container, which has no such "
                    "file; expected a URL or an absolute path in the image"
                )
            if not in_image and not Path(file).exists():
                raise InputError(f"--beam-arg=--{name}={file}: no such file; expected one here")


def _check_places(config: Config, runner: str) -> None:
    """Refuses what workers on other machines surely lack."""
    if config.source["kind"] == "tfds" and not config.data_dir:
        raise InputError(
            f"--dataset {config.dataset}: TFDS's own place is on this machine's disk, which the "
            f"workers of {runner} may not have; expected --data-dir, such as gs://BUCKET/PATH"
        )
    if not runner.endswith("DataflowRunner"):  # others may share a file system with this machine
        return
    places: dict[str, str | None] = {"--pipeline-root": config.pipeline_root}
    if not config.run.is_compiled:  # else the workers' image may have them, as the nodes' has
        places |= {"--dataset": config.source.get("path"), "--data-dir": config.data_dir}
    for flag, place in places.items():
        if place and "://" not in place:
            raise InputError(
                f"{flag} {place}: the workers of {runner} do not have this machine's disk; "
                "expected gs://BUCKET/PATH"
            )


@contextmanager
def _silence_beam() -> Iterator[None]:
    """Keeps Beam from setting up logging to the screen, which it does where nobody else has."""
    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
