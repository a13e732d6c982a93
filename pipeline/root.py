"""Records which pipeline owns a pipeline root, and locks it for a run. Imports no TensorFlow."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import InputError
from common.files import read_or_write
from pipeline.options.config import Config

OWNER = ".pipeline-name"  # the file in a pipeline root that names its pipeline
_READS = ".pipeline-reads"  # the file in a pipeline root that names model and dataset
_LOCK = ".lock"


def state_directory(config: Config) -> Path:
    """Returns the directory of metadata store and logs.

    It is the pipeline root if that is on this machine, and otherwise `./runs/<name>`.
    """
    root = config.pipeline_root
    is_remote = "://" in root or config.run.is_compiled
    return Path("runs", config.name).resolve() if is_remote else Path(root)


def check_serving_dir(path: str) -> None:
    """Checks, before hours of training, that the serving directory can be written.

    Raises:
      InputError: the path, or the first existing directory above it, is not a writable directory.
    """
    if "://" in path:
        return
    existing = next(p for p in (Path(path), *Path(path).parents) if p.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise InputError(
            f"--serving-dir {path}: {existing} is not a writable directory; choose another"
        )


@contextmanager
def claim_root(directory: Path, config: Config) -> Iterator[None]:
    """A context that locks the pipeline root `directory` for one run of a pipeline.

    The operating system frees the lock when the process ends, even if it is killed.

    Raises:
      InputError: the root cannot be written; another run uses it; it belongs to another pipeline;
        or it belongs to a pipeline of the same default name with other data or another model.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / _LOCK).open("w")
    except OSError as error:
        raise InputError(
            f"--pipeline-root {directory}: {error.strerror}; expected a writable directory"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"--pipeline-root {directory}: another run is using it; wait for its end, or "
                "choose another --name or --pipeline-root"
            ) from error
        try:
            name = read_or_write(directory / OWNER, config.name)
            reads = read_or_write(directory / _READS, config.reads)
        except OSError as error:
            raise InputError(
                f"--pipeline-root {directory}: {error.strerror}; expected free space for a few "
                "files; free some, and give the same command again"
            ) from error
        if name != config.name:
            raise InputError(
                f"--pipeline-root {directory}: belongs to the pipeline {name}; expected "
                f"{config.name}: give --name {name}, or another --pipeline-root"
            )
        # Two folders of the same name may hold different data. Without this check, the models of
        # one would be compared with those of the other.
        if reads != config.reads and config.has_default_name:
            raise InputError(
                f"--pipeline-root {directory}: has runs of {reads}; this run is of {config.reads}; "
                "give it another --name"
            )
        yield
