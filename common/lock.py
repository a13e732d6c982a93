"""A lock, so that one process at a time writes a file or directory of the cache."""

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
    that a person sees why nothing happens.

    The lock is released at the latest when the process ends. Its file is removed when it is
    released; the next holder removes the file that a killed process has left. The holder writes a
    new directory as `.<name>.*` beside the target, and renames it at the end. If there is such a
    directory when the lock is acquired, a process that was killed has left it, and it is removed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.parent / f".{target.name}.lock"
    with _acquire(path, target):
        try:
            for left in target.parent.glob(f".{glob.escape(target.name)}.*/"):
                shutil.rmtree(left, ignore_errors=True)
            yield
        finally:
            path.unlink(
                missing_ok=True
            )  # while it is held: whoever waits for this file looks for another one


def _acquire(path: Path, target: Path) -> TextIO:
    """Returns the open file at `path`, locked."""
    has_warned = False
    while True:
        file = path.open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not has_warned:
                has_warned = True
                logger.warning(
                    "waiting for another process, which is writing %s",
                    target,
                    extra={"waits_for": target},
                )
            fcntl.flock(file, fcntl.LOCK_EX)
        # The process that had the lock may have removed the file meanwhile, and a third one may
        # have made and locked another.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()
