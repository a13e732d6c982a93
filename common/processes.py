"""The processes below this one. Only for Linux, whose /proc is read."""

import ctypes
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def adopt_orphans() -> None:
    """Has a process below this one whose parent ends become a child of this one.

    Beam starts its workers through a shell: without this they would be lost to sight when the
    shell ends.

    Raises:
      OSError: the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def descendants() -> list[int]:
    """Returns the ids of all living processes below this one, children before their own
    children."""
    children: dict[int, list[int]] = {}
    for process, parent in _parents():
        children.setdefault(parent, []).append(process)
    found = list(children.get(os.getpid(), ()))
    for process in found:  # grows meanwhile
        found += children.get(process, ())
    return found


def kill_descendants(patience: float) -> None:
    """Kills every process below this one, also those that are started meanwhile.

    Args:
      patience: seconds after which a process that does not end (it waits for a device, say) is
        left behind.
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
        except OSError:  # it has ended meanwhile
            continue
        # "7 (name, which may hold anything) S 1 …": proc(5)
        state, parent, *_ = text.rpartition(")")[2].split()
        if state not in "ZX":
            yield int(directory.name), int(parent)
