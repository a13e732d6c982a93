"""Who owns a pipeline root, and who runs on it now. Imports no TensorFlow."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import InputError
from pipeline.options.config import Config

OWNER = ".pipeline-name"  # the file in a pipeline root that names its pipeline
_READS = ".pipeline-reads"
LOCK = ".lock"  # the file that a run holds a lock on while it is going on


def state_directory(config: Config) -> Path:
    """Where metadata store and logs lie: the root, or `./runs/<name>` where that is elsewhere."""
    root = config.pipeline_root
    elsewhere = "://" in root or config.run.is_compiled
    return Path("runs", config.name).resolve() if elsewhere else Path(root)


@contextmanager
def claim_root(directory: Path, config: Config) -> Iterator[Callable[[], None]]:
    """Holds `directory` for one run of the pipeline that `config` describes.

    The lock is the process's: it is gone when the process is, however that ends.

    Yields:
      A function that records the pipeline as the owner of the directory. A run calls it once it has
      found its data and its model: a run that ends before that leaves the root to any pipeline.

    Raises:
      InputError: it belongs to another pipeline; or to one whose name was made of the names of
      other data or of another model; or another run is going on.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / LOCK).open("w")
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
        recorded = {directory / OWNER: config.name, directory / _READS: config.reads}
        found = {file: _text(file) or text for file, text in recorded.items()}
        name, reads = found.values()
        if name != config.name:
            raise InputError(
                f"--pipeline-root {directory}: belongs to the pipeline {name}; expected "
                f"{config.name}: give --name {name}, or another --pipeline-root"
            )
        # Two folders of the same name are not the same data: without this, one's models would be
        # gated against the other's.
        if reads != config.reads and config.has_default_name:
            raise InputError(
                f"--pipeline-root {directory}: found runs on {reads}; this one is on "
                f"{config.reads}: give it a --name of its own"
            )

        def record_owner() -> None:
            for file, text in found.items():
                file.write_text(text, encoding="utf-8")

        yield record_owner


def _text(file: Path) -> str:
    """The text of `file`; empty where there is none."""
    return file.read_text(encoding="utf-8") if file.exists() else ""
