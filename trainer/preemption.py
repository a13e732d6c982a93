"""SIGTERM: the machine is about to go."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class PreemptedError(Exception):
    """The process was asked to end; the training is saved and goes on when it is started again."""


class Preemption:
    """Whether the process was asked to end."""

    def __init__(self) -> None:
        self.is_near = False

    def announce(self, *_: Any) -> None:
        """The signal handler."""
        self.is_near = True


@contextmanager
def noticed() -> Iterator[Preemption]:
    """Within it SIGTERM no longer ends the process, but is noted.

    Only the main thread can handle signals: in another one nothing is noted.
    """
    preemption = Preemption()
    if threading.current_thread() is not threading.main_thread():
        yield preemption
        return
    before = signal.signal(signal.SIGTERM, preemption.announce)
    try:
        yield preemption
    finally:
        signal.signal(signal.SIGTERM, before)
