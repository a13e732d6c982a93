"""Who owns a pipeline root, and who runs on it now. Imports no TensorFlow."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import InputError
from pipeline.options.config import Config

OWNER = ".pipeline-name"  # the file in a pipeline root that names its pipeline
_READS = ".pipeline-reads"
_LOCK = ".lock"


def state_directory(config: Config) -> Path:
    """Where metadata store and logs lie: the root, or `./runs/<name>` where that is elsewhere."""
    root = config.pipeline_root
    elsewhere = "://" in root or config.run.is_compiled
    return Path("runs", config.name).resolve() if elsewhere else Path(root)


def check_serving_dir(path: str) -> None:
    """Refuses a serving directory that could not be written, before hours of training.

    Raises:
      InputError: it, or what it would be made in, is no directory or is not writable.
    """
    if "://" in path:
        return
    there = next(p for p in (Path(path), *Path(path).parents) if p.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise InputError(
            f"--serving-dir {path}: {there} is not a directory that can be written; choose another"
        )


@contextmanager
def claim_root(directory: Path, config: Config) -> Iterator[None]:
    """Holds `directory` for one run of the pipeline that `config` describes.

    The lock is the process's: it is gone when the process is, however that ends.

    Raises:
      InputError: it belongs to another pipeline; or to one whose name was made of the names of
        other data or of another model; or another run is going on.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / _LOCK).open("w")
    except OSError as error:
        raise InputError(
            f"--pipeline-root {directory}: {error.strerror}; expected a directory that can be "
            "written"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"--pipeline-root {directory}: another run is going on there; wait for its end, or "
                "choose another --name or --pipeline-root"
            ) from error
        name = _recorded(directory / OWNER, config.name)
        if name != config.name:
            raise InputError(
                f"--pipeline-root {directory}: belongs to the pipeline {name}; expected "
                f"{config.name}: give --name {name}, or another --pipeline-root"
            )
        # Two folders of the same name are not the same data: without this, one's models would be
        # gated against the other's.
        reads = _recorded(directory / _READS, config.reads)
        if reads != config.reads and config.has_default_name:
            raise InputError(
                f"--pipeline-root {directory}: found runs on {reads}; this one is on "
                f"{config.reads}: give it a --name of its own"
            )
        yield


def _recorded(file: Path, text: str) -> str:
    """What `file` says; `text`, which is written to it, where there is none."""
    if not file.exists():
        file.write_text(text, encoding="utf-8")
    return file.read_text(encoding="utf-8")
