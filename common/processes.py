"""Finds and kills the descendants of this process. This module works on Linux only, since it reads
/proc.
"""

import ctypes
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # the value of PR_SET_CHILD_SUBREAPER in linux/prctl.h


def adopt_orphans() -> None:
    """Makes this process the new parent of each descendant whose own parent ends.

    Beam starts its workers through a shell. Without this call, `descendants` would not find the
    workers after the shell has ended.

    Raises:
      OSError: the kernel refuses the call.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def descendants() -> list[int]:
    """Returns the ids of all living descendants of this process, parents before children."""
    children: dict[int, list[int]] = {}
    for process, parent in _parents():
        children.setdefault(parent, []).append(process)
    found = list(children.get(os.getpid(), ()))
    for process in found:  # the loop also visits what it appends to `found`
        found += children.get(process, ())
    return found


def kill_descendants(patience: float) -> None:
    """Kills every descendant of this process, including descendants that are started meanwhile.

    Args:
      patience: the longest time to wait, in seconds. A process that has not ended by then, perhaps
        because it waits for a device, is left behind.
    """
    until = time.monotonic() + patience
    while (living := descendants()) and time.monotonic() < until:
        for process in living:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.01)


def _parents() -> Iterator[tuple[int, int]]:
    """Returns the id of each process that has not ended, and the id of its parent."""
    for directory in Path("/proc").iterdir():
        if not directory.name.isdecimal():
            continue
        try:
            text = (directory / "stat").read_text(errors="replace")
        except OSError:  # the process has ended meanwhile
            continue
        # /proc/<id>/stat reads "7 (name) S 1 …", and the name may contain parentheses and spaces:
        # proc(5).
        state, parent, *_ = text.rpartition(")")[2].split()
        if state not in "ZX":
            yield int(directory.name), int(parent)
