"""File locks, which let only one process at a time write a file or directory of the cache."""

import contextlib
import fcntl
import glob
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

logger = logging.getLogger(__name__)


@contextmanager
def hold_lock(target: Path) -> Iterator[None]:
    """A context that waits for the lock of the file or directory `target`, and then holds it.

    If this process has to wait for another process, it logs a warning, so that the user sees why
    nothing happens. The log record of the warning has the attribute `waits_for`, whose value is
    `target`.

    Releasing the lock deletes the lock file. If the process is killed, the operating system
    releases the lock, and the next holder of the lock deletes the lock file.

    If `target` is a directory, the caller must write a temporary directory `.<name>.*` next to
    `target`, and rename it to `target` at the end. If killed processes have left temporary
    directories `.<name>.*` behind, the context deletes these directories before the caller begins
    to write.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.parent / f".{target.name}.lock"
    if (lock := try_lock(path)) is None:
        logger.warning(
            "waiting for another process, which is writing %s", target, extra={"waits_for": target}
        )
        lock = _wait_for_lock(path)
    with lock:
        try:
            for unfinished in target.parent.glob(f".{glob.escape(target.name)}.*/"):
                shutil.rmtree(unfinished, ignore_errors=True)
            yield
        finally:
            # Delete the lock file before releasing the lock, because after the release, another
            # process may already hold a lock on the same file. A process that is already waiting in
            # `_lock` gets a lock on the deleted file, notices that the file was deleted, and
            # creates a new lock file.
            path.unlink(missing_ok=True)


def try_lock(path: Path) -> TextIO | None:
    """Opens the file at `path` and locks it; returns None if another process has the lock.

    The lock is released when the file is closed, or when the process ends. To leave no lock file on
    the disk, the owner of the lock can delete the lock file before closing it.
    """
    return _lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _wait_for_lock(path: Path) -> TextIO:
    lock = _lock(path, fcntl.LOCK_EX)
    assert lock is not None
    return lock


def _lock(path: Path, operation: int) -> TextIO | None:
    while True:
        file = path.open("w")
        try:
            fcntl.flock(file, operation)
        except BlockingIOError:
            file.close()
            return None
        # Between `open` and `flock`, the previous owner of the lock may have deleted the open file,
        # and another process may have created and locked a new file at `path`. A lock on a deleted
        # file is useless, so return the open file only if it is still the file at `path`.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()
