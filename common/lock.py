"""A lock, so that one process at a time writes a file or directory of the cache."""

import fcntl
import glob
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def hold_lock(target: Path) -> Iterator[None]:
    """Waits until no other process holds the lock of `target`, and holds it.

    The lock ends with the process at the latest. A new directory is written as `.<name>.*` beside
    the target and renamed at the end. A directory of such a name that is there when the lock is
    acquired was left by a process that was killed, and is removed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f".{target.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for left in target.parent.glob(f".{glob.escape(target.name)}.*/"):
            shutil.rmtree(left, ignore_errors=True)
        yield
