"""One process at a time makes a file or directory of the cache."""

import fcntl
import glob
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Waits until no other process makes `target`; the lock ends with the process at the latest.

    What makes a directory does so in `.<name>.*` beside it and renames it. Such a directory that
    is there when the lock is had was left by a process that was killed, and is removed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f".{target.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for left in target.parent.glob(f".{glob.escape(target.name)}.*/"):
            shutil.rmtree(left, ignore_errors=True)
        yield
