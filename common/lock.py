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

    If the process is killed, the operating system releases the lock. The lock file of a killed
    process stays on the disk, but another process can take the lock, and removes the lock file when
    it releases the lock.

    If `target` is a directory, the caller writes it under a temporary name, `.<name>.*`, in the
    same parent directory, and renames it at the end. If killed processes have left directories
    `.<name>.*` behind, the context removes these directories before the caller begins to write.
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
            # Remove the lock file before releasing the lock, because after the release, the file
            # may be the lock file of another process. If a process already waits in `_lock`, it
            # gets a lock on the removed file, notices the removal, and creates a new lock file.
            path.unlink(missing_ok=True)


def try_lock(path: Path) -> TextIO | None:
    """Opens the file at `path` and locks it; returns None if another process has the lock.

    The lock is released when the file is closed, or when the process ends. To leave no lock file on
    the disk, the owner of the lock can delete the file before closing it.
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
        # Between `open` and `flock`, the previous holder may have removed this file, and a third
        # process may have created and locked a new file at the same path. Use the lock only if the
        # open file is still the file at the path, because otherwise this process and the third
        # process would both have a lock.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()
