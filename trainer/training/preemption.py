"""SIGTERM and Ctrl-C: the machine is about to go, or somebody wants the training to end."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn


class PreemptedError(Exception):
    """The process was asked to end; the training is saved and goes on when it is started again."""


class Preemption:
    """Whether the process was asked to end.

    Attributes:
      is_near: whether the process was asked to end.
      is_wanted: whether a person asked, by Ctrl-C.
    """

    def __init__(self) -> None:
        self.is_near = False
        self.is_wanted = False

    def announce(self, number: int, _: Any) -> None:
        """The signal handler. Whoever is out of patience has but to press Ctrl-C again."""
        self.is_near = True
        if number == signal.SIGINT:
            self.is_wanted = True
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def end(self, message: str) -> NoReturn:
        """Ends the training that was saved, as whoever asked for it expects.

        Raises:
          KeyboardInterrupt: a person asked for it.
          PreemptedError: the machine did, or another worker of the training.
        """
        raise (KeyboardInterrupt if self.is_wanted else PreemptedError)(message)


@contextmanager
def catch_termination_signals() -> Iterator[Preemption]:
    """Within it, SIGTERM and SIGINT do not end the process: the `Preemption` remembers them.

    Only the main thread can handle signals; in another thread none is remembered.
    """
    preemption = Preemption()
    if threading.current_thread() is not threading.main_thread():
        yield preemption
        return
    before = {
        number: signal.signal(number, preemption.announce)
        for number in (signal.SIGTERM, signal.SIGINT)
        # A shell has what it runs in the background ignore Ctrl-C, which is for the foreground.
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield preemption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
