"""Locks, so that only one process at a time writes a file or directory of the cache."""

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
    """A context that holds the lock of `target`, after waiting for other processes to release it.

    If the process has to wait, it logs a warning with the attribute `waits_for`, the target, so
    that the user sees why nothing happens.

    The lock is released at the latest when the process ends. Releasing the lock removes its file;
    the next holder removes the lock file of a killed process. The holder writes a new directory as
    `.<name>.*` beside the target, and renames it at the end. If a directory `.<name>.*` exists when
    the lock is acquired, a killed process has left it behind, and it is removed.
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
            # The file is removed while the lock is held. A waiting process then gets the lock of a
            # removed file, notices this, and opens a new file.
            path.unlink(missing_ok=True)


def try_lock(path: Path) -> TextIO | None:
    """Opens the file at `path` and locks it; returns None if another process has the lock.

    The lock ends when the file is closed, at the latest with the process. The owner of the lock may
    remove the file before closing it.
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
        # The previous holder may have removed this file meanwhile, and a third process may have
        # created and locked a new file at the same path.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()
