"""Stops a process that takes too long or too much memory. Imports no TensorFlow."""

import contextlib
import dataclasses
import os
import re
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType

_PAGE = os.sysconf("SC_PAGE_SIZE")  # bytes
_INTERVAL = 0.05  # seconds between two measurements of the memory


@dataclasses.dataclass(frozen=True)
class Bounds:
    """The bounds of a process.

    Attributes:
      seconds: the longest time of a request.
      memory: the most resident memory, in bytes.
    """

    seconds: float
    memory: float


class Watchdog:
    """A context manager that kills a process if it exceeds its bounds within the context.

    Attributes:
      reason: why the process was killed, in words; empty if it was not.
    """

    reason = ""

    def __init__(self, process: "subprocess.Popen[bytes]", bounds: Bounds | None) -> None:
        """
        Args:
          process: the process.
          bounds: its bounds; if None, it is not watched.
        """
        self._process = process
        self._bounds = bounds
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        assert self._bounds is not None
        deadline = time.monotonic() + self._bounds.seconds
        while not self._is_over.wait(_INTERVAL):
            used = resident_memory(self._process.pid)
            if time.monotonic() > deadline:
                self.reason = f"no answer after {self._bounds.seconds:g} s"
            elif used > self._bounds.memory:
                self.reason = (
                    f"it uses {used / 1e9:.2f} GB of memory, more than the limit of "
                    f"{self._bounds.memory / 1e9:.2f} GB"
                )
            if self.reason:
                self._process.kill()
                return

    def __enter__(self) -> "Watchdog":
        if self._bounds is not None:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()
        if self._bounds is not None:
            self._thread.join()


def resident_memory(process: int) -> int:
    """Returns the memory that a process uses now, in bytes; 0 if it has ended."""
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
    return 0


def peak_memory(process: int) -> int:
    """Returns the most memory that a process has used, in bytes; 0 if it has ended."""
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{process}/status").read_text()
        if found := re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE):
            return int(found[1]) * 1024
    return 0


def available_memory() -> int:
    """Returns the memory that new processes on this machine, or in this container, can use, in
    bytes.
    """
    found = re.search(
        r"^MemAvailable:\s+(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE
    )
    amounts = [int(found[1]) * 1024] if found else []
    # The files with the limit and the use of a container's memory, in control groups of version 2
    # and 1.
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        ),
    ):
        with contextlib.suppress(OSError, ValueError):  # "max" stands for no limit
            amounts.append(int(Path(limit).read_text()) - int(Path(used).read_text()))
    return min(amounts)
