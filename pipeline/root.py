"""Who owns a pipeline root, and who runs on it now. Imports no TensorFlow."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.config import Config
from trainer.errors import InputError

_OWNER = ".pipeline-name"
_LOCK = ".lock"


def state_directory(config: Config) -> Path:
    """Where metadata store and logs lie: the root, or `./runs/<name>` where the root is remote."""
    root = config.pipeline_root
    return Path("runs", config.name).resolve() if "://" in root else Path(root)


@contextmanager
def claimed(directory: Path, name: str) -> Iterator[None]:
    """Holds `directory` for one run of the pipeline `name`.

    The lock is the process's: it is gone when the process is, however that ends.

    Raises:
      InputError: it belongs to another pipeline, or another run is going on.
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
        owner = directory / _OWNER
        if not owner.exists():
            owner.write_text(name, encoding="utf-8")
        found = owner.read_text(encoding="utf-8")
        if found != name:
            raise InputError(
                f"--pipeline-root {directory}: belongs to the pipeline {found}; expected {name}: "
                f"give --name {found}, or another --pipeline-root"
            )
        yield
