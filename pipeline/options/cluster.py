"""Options of pipelines that run on a cluster.

This module does not import TensorFlow, which takes seconds to import.
"""

import dataclasses
import datetime
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from backbones.catalogue import MODELS
from common.errors import InputError
from common.options import AT_LEAST_ONE, POSITIVE, Check, option
from common.urls import remove_secrets
from pipeline.options.storage import STATE_DIR, VOLUMES, is_in_launcher_store

# For each runner, the suffix of the file with the compiled pipeline. Kubeflow Pipelines and Vertex
# AI recognize the format of a compiled pipeline by this suffix.
SUFFIXES = {"kubeflow": ".yaml", "vertex": ".json"}
COMPILED_RUNNERS = tuple(SUFFIXES)

# The URI schemes that a pipeline root may have, for each runner.
_STORES = {"kubeflow": ("gs://", "minio://", "s3://"), "vertex": ("gs://",)}

# The largest number of concurrent runs that a runner allows for a schedule.
MOST_CONCURRENT_RUNS = {"kubeflow": 10}


# The format of a time in RFC 3339. `_is_time` checks this format itself, because Python's
# `fromisoformat` also accepts formats of ISO 8601 that RFC 3339 does not allow.
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def _is_time(text: str) -> bool:
    try:
        return bool(_RFC_3339.fullmatch(text) and datetime.datetime.fromisoformat(text))
    except ValueError:
        return False


_NETWORK_NAME = re.compile(r"projects/\d+/global/networks/[a-z]([a-z0-9-]*[a-z0-9])?")
_KEY_NAME = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,62}=[a-z0-9_-]{0,63}")

_NETWORK = Check(
    "a network's full name, projects/NUMBER/global/networks/NAME",
    lambda name: _NETWORK_NAME.fullmatch(name) is not None,
)
_KEY = Check(
    "a key's full name, projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY",
    lambda name: _KEY_NAME.fullmatch(name) is not None,
)
_LABELS = Check(
    "KEY=VALUE, each with at most 63 characters of a-z, 0-9, _ and -; KEY starts with a letter",
    lambda labels: all(map(_LABEL.fullmatch, labels)),
)
_TIME = Check("a time with its zone, such as 2026-12-24T18:00:00Z", _is_time)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cloud:
    """Options of the service that runs a compiled pipeline, and of the pipeline's schedule."""

    output: str | None = option(
        "only compile the pipeline, to this file: .yaml for kubeflow, .json for vertex",
        default=None,
        is_path=True,
    )
    image: str | None = option("container image of the nodes", default=None)
    project: str | None = option("Google Cloud project, for vertex", default=None)
    region: str | None = option("region, such as europe-west4, for vertex", default=None)
    host: str | None = option(
        "URL of Kubeflow Pipelines' dashboard (needed for --wait) or API, for kubeflow",
        default=None,
    )
    schedule: str | None = option(
        "run at the times of this cron expression, such as 'TZ=Europe/Berlin 0 3 * * 1'",
        default=None,
    )
    start: str | None = option("start of the schedule, RFC 3339", default=None, check=_TIME)
    end: str | None = option("end of the schedule, RFC 3339", default=None, check=_TIME)
    max_concurrent_runs: int = option(
        "largest number of scheduled runs at the same time", default=1, check=AT_LEAST_ONE
    )
    wait: bool = option("follow the submitted run to its end", default=False)
    poll_seconds: float = option(
        "seconds between two requests of --wait for the state of the run",
        default=15.0,
        check=POSITIVE,
    )
    service_account: str | None = option("service account of the run", default=None)
    network: str | None = option(
        "full name of the VPC network to peer the run with, for vertex",
        default=None,
        check=_NETWORK,
    )
    encryption_key: str | None = option(
        "full name of the Cloud KMS key that encrypts the outputs of the run, for vertex",
        default=None,
        check=_KEY,
    )
    labels: tuple[str, ...] = option(
        "a label KEY=VALUE of the run, for vertex", default=(), check=_LABELS, is_list=True
    )
    api_endpoint: str | None = option(
        "address of Vertex AI's API, if it is not Google's public address", default=None
    )
    namespace: str | None = option("namespace of the user, for multi-user kubeflow", default=None)
    token_file: str | None = option(
        "file with the bearer token for Kubeflow Pipelines' API", default=None, is_path=True
    )

    volumes: tuple[str, ...] = option(
        "a PersistentVolumeClaim that every step mounts, as CLAIM:/PATH, for kubeflow; several "
        "claims as a list in a YAML file",
        default=(),
        check=VOLUMES,
        is_list=True,
    )
    state_dir: str | None = option(
        "directory of blessed models, checkpoints, pushed models and downloads, in one of "
        "cloud.volumes or gs://BUCKET/PATH; required with a minio:// or s3:// pipeline root, for "
        "kubeflow (default: the pipeline root)",
        default=None,
        check=STATE_DIR,
    )

    def label_values(self) -> dict[str, str]:
        """Returns the labels as a dictionary."""
        return dict(label.split("=", 1) for label in self.labels)


def check_output(runner: str, file: str) -> None:
    """Checks the file name suffix of the compiled pipeline.

    Raises:
      InputError: the file name does not have the suffix that `runner` requires.
    """
    if PurePosixPath(file).suffix != SUFFIXES[runner]:
        raise InputError(
            f"--output {file}: expected a file name that ends in {SUFFIXES[runner]}, for --runner "
            f"{runner}"
        )


def check_target(runner: str, cloud: Cloud) -> None:
    """Checks that the user gave all flags for connecting to Kubeflow Pipelines or Vertex AI.

    Raises:
      InputError: a flag is missing.
    """
    needed = {
        "vertex": {"--project": cloud.project, "--region": cloud.region},
        "kubeflow": {"--host": cloud.host},
    }
    _check_given(runner, needed[runner], "")


def check_submission(runner: str, cloud: Cloud, pipeline_root: str) -> None:
    """Checks that the user gave all flags for submitting a pipeline.

    Raises:
      InputError: a flag is missing, or `runner` does not support the URI scheme of the pipeline
        root.
    """
    check_target(runner, cloud)
    needed = {"--image": cloud.image, "--pipeline-root": pipeline_root}
    _check_given(runner, needed, " (or --output, to compile only)")
    stores = _STORES[runner]
    if not pipeline_root.startswith(stores):
        raise InputError(
            f"--pipeline-root {pipeline_root}: expected {_list_example_uris(stores)}, for --runner "
            f"{runner}"
        )


def check_times(runner: str, cloud: Cloud, now: datetime.datetime) -> None:
    """Checks the start, the end and the number of concurrent runs of a schedule.

    Args:
      runner: the name of the runner.
      cloud: the options of the schedule.
      now: the present time, with its time zone.

    Raises:
      InputError: the schedule would never start a run, or `--max-concurrent-runs` exceeds the limit
        of `runner`.
    """
    start, end = (t and datetime.datetime.fromisoformat(t) for t in (cloud.start, cloud.end))
    if end and end <= now:
        raise InputError(f"--end {cloud.end}: is in the past; expected a time in the future")
    if start and end and end <= start:
        raise InputError(f"--end {cloud.end}: expected a time after --start {cloud.start}")
    most = MOST_CONCURRENT_RUNS.get(runner, cloud.max_concurrent_runs)
    if cloud.max_concurrent_runs > most:
        raise InputError(
            f"--max-concurrent-runs {cloud.max_concurrent_runs}: expected 1 to {most} for {runner}"
        )


def _check_given(runner: str, needed: dict[str, str | None], instead: str) -> None:
    missing = [flag for flag, value in needed.items() if not value]
    if missing:
        raise InputError(
            f"{' and '.join(missing)} missing; --runner {runner} needs {', '.join(needed)}{instead}"
        )


def check_reachable(
    runner: str,
    *,
    model: str,
    dataset: str,
    pipeline_root: str | None,
    schema: str | None = None,
) -> None:
    """Checks that containers can reach the model, the dataset, the pipeline root and the schema.

    Args:
      runner: the name of the runner.
      model: the value of `--model`.
      dataset: the value of `--dataset`.
      pipeline_root: the value of `--pipeline-root`; None if each run has its own pipeline root.
      schema: the value of `--schema`; None if it is not given.

    Raises:
      InputError: a path is relative, the URL of the model has credentials or a query string, or the
        containers do not support the URI scheme of the pipeline root.
    """
    # TFX, TensorFlow and the launcher of Kubeflow Pipelines support only the URI schemes in
    # `_STORES`, so with any other scheme, the first step of a run would fail. An absolute path is
    # allowed as well, because the path may be in a mounted volume.
    stores = _STORES[runner]
    if pipeline_root is not None and not pipeline_root.startswith((*stores, "/")):
        raise InputError(
            f"--pipeline-root {pipeline_root}: expected a directory that all containers can reach, "
            f"such as {_list_example_uris(stores)}"
        )
    for flag, place in {"--model": model, "--dataset": dataset}.items():
        if is_in_launcher_store(place):
            raise InputError(
                f"{flag} {place}: a step cannot read minio:// and s3:// URIs; expected a path in a "
                "volume of cloud.volumes, or gs://…"
            )
    if model not in MODELS and not _is_absolute(model):
        raise InputError(
            f"--model {model}: expected a name from --list-models, a URL, "
            "gs://… or an absolute path in the container image"
        )
    if remove_secrets(model) != model:
        raise InputError(
            f"--model {model}: has a query string or credentials, which every reader of the "
            "compiled pipeline would see; put the model into a bucket, and give its gs:// address"
        )
    if PurePosixPath(dataset).name != dataset and not _is_absolute(dataset):
        raise InputError(
            f"--dataset {dataset}: expected a name, gs://… or an absolute path in the "
            "container image"
        )
    if schema is not None and not _is_absolute(schema):
        raise InputError(
            f"--schema {schema}: expected gs://… or an absolute path in the container image"
        )


def _list_example_uris(schemes: Sequence[str]) -> str:
    return " or ".join(f"{scheme}BUCKET/PATH" for scheme in schemes)


def _is_absolute(location: str) -> bool:
    return "://" in location or location.startswith("/")
