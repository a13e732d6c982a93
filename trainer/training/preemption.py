"""Ends a training in order on SIGTERM (the machine is preempted) and on Ctrl-C."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn


class PreemptedError(Exception):
    """The process received SIGTERM. The training is saved, and resumes when it is started again."""


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
        """Raises the exception that ends the process, after the training was saved.

        Raises:
          KeyboardInterrupt: a person pressed Ctrl-C.
          PreemptedError: this process, or another worker of the training, received SIGTERM.
        """
        raise (KeyboardInterrupt if self.is_wanted else PreemptedError)(message)


@contextmanager
def catch_termination_signals() -> Iterator[Preemption]:
    """A context in which SIGTERM and SIGINT do not end the process; `Preemption` records them.

    Only the main thread can handle signals; in another thread none is remembered.
    """
    preemption = Preemption()
    if threading.current_thread() is not threading.main_thread():
        yield preemption
        return
    before = {
        number: signal.signal(number, preemption.announce)
        for number in (signal.SIGTERM, signal.SIGINT)
        # A shell starts background processes so that they ignore Ctrl-C; that is kept.
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield preemption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
