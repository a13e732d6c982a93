"""Delays the end of a process after SIGTERM or Ctrl-C until the training is saved.

A cloud sends SIGTERM before it takes back a preemptible machine.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from common import termination


class PreemptedError(Exception):
    """The error that ends a process after SIGTERM.

    The training was saved, and a new run resumes the training.
    """


class Preemption:
    """Records whether the process has received a signal to end.

    Attributes:
      is_near: whether the process has received a signal to end.
      is_wanted: whether the signal was SIGINT, which means that a person pressed Ctrl-C.
      has_unsaved_steps: whether training steps were computed since the last checkpoint. The
        training loop sets `has_unsaved_steps`. In a run of the pipeline on this machine, a signal
        ends the process immediately if there are no unsaved steps.
    """

    def __init__(self) -> None:
        self.is_near = False
        self.is_wanted = False
        self.has_unsaved_steps = False

    def request_stop(self, number: int, _: Any) -> None:
        """Records that the process has received the signal `number`."""
        self.is_near = True
        self.is_wanted |= number == signal.SIGINT

    def handle(self, number: int, frame: Any) -> None:
        """Records a signal, as `request_stop` does; a second Ctrl-C ends the process at once."""
        self.request_stop(number, frame)
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def end(self, message: str) -> NoReturn:
        """Raises the exception that ends the process; call this method after saving the training.

        Raises:
          KeyboardInterrupt: a person pressed Ctrl-C.
          PreemptedError: this process, or a different worker of the training, received SIGTERM.
        """
        raise (KeyboardInterrupt if self.is_wanted else PreemptedError)(message)


@contextmanager
def end_at_once() -> Iterator[None]:
    """A context in which a signal ends the process immediately, without a checkpoint.

    The context has an effect only if the pipeline runs on this machine, and not, for example, if it
    runs in the cloud. Use this context for a training that cannot be resumed, such as a trial of a
    search.
    """
    if not termination.ends_on_signals():
        yield
        return
    # Of nested contexts, only the outermost has an effect, and this `Preemption` never has unsaved
    # steps, so a signal ends the process immediately.
    with termination.postpone_end(Preemption()):
        yield


@contextmanager
def catch_termination_signals() -> Iterator[Preemption]:
    """A context in which a `Preemption` records SIGTERM and SIGINT, so that training can be saved.

    In a run of the pipeline on this machine, `common.termination` handles the signals: a signal
    ends the process at once, or, if the `Preemption` has unsaved steps, at the end of this context.

    If the pipeline runs elsewhere, for example in the cloud, this function installs signal
    handlers. Only the main thread can install signal handlers, so no signals are recorded if
    this function is called in a different thread.
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
        # If the process ignores a signal, the process must continue to ignore it. For example, a
        # background process of a shell ignores Ctrl-C, which is meant for the foreground process.
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield preemption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
