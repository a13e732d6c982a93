"""Finds and kills the descendants of this process.

This module works on Linux only, because it reads /proc.
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
    """Makes this process the new parent of any descendant whose parent process exits.

    Beam starts its workers through a shell. Without this call, Beam's workers would become children
    of another process, such as init, when the shell exits, and `descendants` would not find them.

    Raises:
      OSError: the kernel does not permit the system call `prctl`, for example in a sandbox.
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
    for process in found:  # the loop also visits the processes that it appends
        found += children.get(process, ())
    return found


def kill_descendants(patience: float) -> None:
    """Kills every descendant of this process, including those that start during the call.

    Args:
      patience: the longest time to wait for the descendants to exit, in seconds. After `patience`
        seconds, the function returns even if a descendant is still alive, for example because it is
        in an uninterruptible wait for a device.
    """
    until = time.monotonic() + patience
    while (living := descendants()) and time.monotonic() < until:
        for process in living:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.01)


def _parents() -> Iterator[tuple[int, int]]:
    """Yields the ID of each process that has not ended, and the ID of its parent."""
    for directory in Path("/proc").iterdir():
        if not directory.name.isdecimal():
            continue
        try:
            text = (directory / "stat").read_text(errors="replace")
        except OSError:  # the process has exited since the directory was listed
            continue
        # /proc/<id>/stat contains the process ID, name, state and parent ID, in the form
        # "7 (name) S 1 …" (see proc(5)). The name may contain parentheses and spaces, so parse only
        # the text after the last parenthesis.
        state, parent, *_ = text.rpartition(")")[2].split()
        if state not in "ZX":
            yield int(directory.name), int(parent)
