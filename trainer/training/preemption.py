"""Saves a training before SIGTERM (the machine is preempted) or Ctrl-C ends it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from common import termination


class PreemptedError(Exception):
    """The process received SIGTERM. The training was saved; a new run resumes it."""


class Preemption:
    """Records whether the process was asked to end.

    Attributes:
      is_near: whether the process was asked to end.
      is_wanted: whether a person asked, by Ctrl-C.
      has_unsaved_steps: whether training steps were made since the last checkpoint; the training
        loop sets it. Without unsaved steps, a signal ends a run on this machine at once.
    """

    def __init__(self) -> None:
        self.is_near = False
        self.is_wanted = False
        self.has_unsaved_steps = False

    def announce(self, number: int, _: Any) -> None:
        """Remembers the signal `number`."""
        self.is_near = True
        self.is_wanted |= number == signal.SIGINT

    def handle(self, number: int, frame: Any) -> None:
        """Handles a signal as `announce` does; a second Ctrl-C ends the process at once."""
        self.announce(number, frame)
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def end(self, message: str) -> NoReturn:
        """Raises the exception that ends the process, after the training was saved.

        Raises:
          KeyboardInterrupt: a person pressed Ctrl-C.
          PreemptedError: this process, or another worker of the training, received SIGTERM.
        """
        raise (KeyboardInterrupt if self.is_wanted else PreemptedError)(message)


@contextmanager
def end_at_once() -> Iterator[None]:
    """A context in which a signal ends a run on this machine at once, without a checkpoint.

    Use this context for a training from whose checkpoints no later run resumes.
    """
    if not termination.ends_on_signals():
        yield
        return
    with termination.postpone_end(Preemption()):  # this `Preemption` never has unsaved steps
        yield


@contextmanager
def catch_termination_signals() -> Iterator[Preemption]:
    """A context in which SIGTERM and SIGINT do not end the process; `Preemption` records them.

    In a run on this machine, `common.termination` handles signals. In such a run, a signal ends the
    process at once, or, if the `Preemption` has unsaved steps, at the end of the context. In other
    programs, only the main thread can handle signals; in another thread, no signal is recorded.
    """
    preemption = Preemption()
    if termination.ends_on_signals():
        with termination.postpone_end(preemption):
            yield preemption
        return
    if threading.current_thread() is not threading.main_thread():
        yield preemption
        return
    before = {
        number: signal.signal(number, preemption.handle)
        for number in (signal.SIGTERM, signal.SIGINT)
        # Background processes of a shell already ignore Ctrl-C, and must continue to ignore it.
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield preemption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
