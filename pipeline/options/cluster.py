"""Options of pipelines that run on a cluster. Imports no TensorFlow."""

import dataclasses
import datetime
import re
from pathlib import PurePosixPath

from backbones.catalogue import MODELS
from common.errors import InputError
from common.options import AT_LEAST_ONE, POSITIVE, Check, option

# The files that each takes: by another suffix it would take them for something else.
SUFFIXES = {"kubeflow": ".yaml", "vertex": ".json"}
COMPILED_RUNNERS = tuple(SUFFIXES)

MOST_CONCURRENT_RUNS = {"kubeflow": 10}  # what a server allows


# RFC 3339, which is less than what Python reads.
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
    "KEY=VALUE, each of at most 63 of a-z, 0-9, _ and -, and a letter first in KEY",
    lambda labels: all(map(_LABEL.fullmatch, labels)),
)
_TIME = Check("a time with its zone, such as 2026-12-24T18:00:00Z", _is_time)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cloud:
    """Where a compiled pipeline goes, and when it runs."""

    output: str | None = option(
        "file for the compiled pipeline, which is then not submitted: .yaml for kubeflow, .json "
        "for vertex",
        default=None,
        is_path=True,
    )
    image: str | None = option("container image that the nodes run in", default=None)
    project: str | None = option("Google Cloud project, for vertex", default=None)
    region: str | None = option("region, such as europe-west4, for vertex", default=None)
    host: str | None = option("URL of Kubeflow Pipelines' API, for kubeflow", default=None)
    schedule: str | None = option(
        "run at these times, in cron's fields, such as 'TZ=Europe/Berlin 0 3 * * 1'", default=None
    )
    start: str | None = option("no scheduled run before this time", default=None, check=_TIME)
    end: str | None = option("no scheduled run after this time", default=None, check=_TIME)
    max_concurrent_runs: int = option(
        "scheduled runs at the same time, at most", default=1, check=AT_LEAST_ONE
    )
    wait: bool = option("follow the submitted run to its end", default=False)
    poll_seconds: float = option("how often --wait looks at the run", default=15.0, check=POSITIVE)
    service_account: str | None = option("account that the run acts as", default=None)
    network: str | None = option(
        "full name of the network that the run is peered with, for vertex",
        default=None,
        check=_NETWORK,
    )
    encryption_key: str | None = option(
        "full name of the Cloud KMS key for all that the run makes, for vertex",
        default=None,
        check=_KEY,
    )
    labels: tuple[str, ...] = option(
        "a label KEY=VALUE of the run, for vertex", default=(), check=_LABELS
    )
    api_endpoint: str | None = option(
        "address of Vertex AI where it is not Google's public one", default=None
    )
    namespace: str | None = option("namespace, for kubeflow with several users", default=None)
    token_file: str | None = option(
        "file with the bearer token for Kubeflow Pipelines' API", default=None, is_path=True
    )

    def label_values(self) -> dict[str, str]:
        """The labels by their keys."""
        return dict(label.split("=", 1) for label in self.labels)


def check_output(runner: str, file: str) -> None:
    """Refuses a file for the compiled pipeline that would not be one.

    Raises:
      InputError: its name ends as another runner's.
    """
    if PurePosixPath(file).suffix != SUFFIXES[runner]:
        raise InputError(
            f"--output {file}: expected a file name that ends in {SUFFIXES[runner]}, which is what "
            f"--runner {runner} takes"
        )


def check_target(runner: str, cloud: Cloud) -> None:
    """Refuses what leaves open where to connect to.

    Raises:
      InputError: a flag is missing.
    """
    needed = {
        "vertex": {"--project": cloud.project, "--region": cloud.region},
        "kubeflow": {"--host": cloud.host},
    }
    _check_given(runner, needed[runner], "")


def check_submission(runner: str, cloud: Cloud, pipeline_root: str) -> None:
    """Refuses what cannot be submitted.

    Raises:
      InputError: a flag is missing, or the root is not one that the containers can write to.
    """
    check_target(runner, cloud)
    needed = {"--image": cloud.image, "--pipeline-root": pipeline_root}
    _check_given(runner, needed, " (or --output, to compile only)")
    # s3:// and minio:// are not among the file systems of TFX.
    if not pipeline_root.startswith("gs://"):
        raise InputError(f"--pipeline-root {pipeline_root}: expected gs://BUCKET/PATH")


def check_times(runner: str, cloud: Cloud, now: datetime.datetime) -> None:
    """Refuses a schedule that would never begin a run, or more at a time than `runner` allows.

    Args:
      runner: where it would be.
      cloud: how it was asked for.
      now: the time, with its zone.

    Raises:
      InputError: it is such a schedule.
    """
    start, end = (t and datetime.datetime.fromisoformat(t) for t in (cloud.start, cloud.end))
    if end and end <= now:
        raise InputError(f"--end {cloud.end}: is over; expected a time to come")
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


def check_reachable(*, model: str, dataset: str, pipeline_root: str | None) -> None:
    """Refuses what a container on a cluster could not find.

    Args:
      model: what `--model` says.
      dataset: what `--dataset` says.
      pipeline_root: what `--pipeline-root` says; None leaves it to each run.

    Raises:
      InputError: a path relative to this machine's directory, or a pipeline root on a file system
        that the containers do not have.
    """
    # A root of another scheme fails in the first step, if not before: neither TFX nor TensorFlow
    # has its file system, and Vertex AI and Kubeflow Pipelines refuse most others themselves. An
    # absolute path may be a volume.
    if pipeline_root is not None and not pipeline_root.startswith(("gs://", "/")):
        raise InputError(
            f"--pipeline-root {pipeline_root}: expected a place that all containers see, such as "
            "gs://BUCKET/PATH"
        )
    if model not in MODELS and not _is_everywhere(model):
        raise InputError(
            f"--model {model}: expected, for a container, a name from --list-models, a URL, "
            "gs://… or an absolute path in the image"
        )
    if PurePosixPath(dataset).name != dataset and not _is_everywhere(dataset):
        raise InputError(
            f"--dataset {dataset}: expected, for a container, a name, gs://… or an absolute path "
            "in the image"
        )


def _is_everywhere(place: str) -> bool:
    return "://" in place or place.startswith("/")
