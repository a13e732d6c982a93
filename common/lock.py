"""A lock, so that one process at a time writes a file or directory of the cache."""

import fcntl
import glob
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def hold_lock(target: Path) -> Iterator[None]:
    """A context that holds the lock of `target`, after waiting for other processes to release it.

    The lock is released at the latest when the process ends. The holder writes a new directory as
    `.<name>.*` beside the target, and renames it at the end. If there is such a directory when the
    lock is acquired, a process that was killed has left it, and it is removed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f".{target.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for left in target.parent.glob(f".{glob.escape(target.name)}.*/"):
            shutil.rmtree(left, ignore_errors=True)
        yield
