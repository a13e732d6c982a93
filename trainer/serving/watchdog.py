"""Kills a process that runs too long or uses too much memory.

This module does not import TensorFlow, which takes seconds to import.
"""

import dataclasses
import subprocess
import threading
import time
from types import TracebackType

from common.memory import resident_memory

_INTERVAL = 0.05  # seconds between two measurements of the memory


@dataclasses.dataclass(frozen=True)
class Bounds:
    """The limits for a process.

    Attributes:
      seconds: the time limit for a request, in seconds.
      memory: the limit for the resident memory of the process, in bytes.
    """

    seconds: float
    memory: float


class Watchdog:
    """A context manager that kills a process if it exceeds its limits within the context.

    Attributes:
      reason: why the process was killed, in words; empty if the process was not killed.
    """

    reason = ""

    def __init__(self, process: "subprocess.Popen[bytes]", bounds: Bounds | None) -> None:
        """
        Args:
          process: the process to watch.
          bounds: the limits for the process; if None, the process is not watched.
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
