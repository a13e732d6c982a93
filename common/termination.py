"""Makes Ctrl-C, SIGTERM and SIGHUP end the process promptly, even during a call to TensorFlow.

By default, Ctrl-C makes Python raise KeyboardInterrupt in the main thread. If the main thread is in
a long call into TensorFlow, Python raises KeyboardInterrupt only when the call returns. If
KeyboardInterrupt is raised in a Python function that TensorFlow called, TensorFlow converts it into
an error of its own. A program that catches TensorFlow's errors would then continue after Ctrl-C,
with only a part of the data.

This project's programs rely on the signal handler that CPython implements in C, which runs even
while the main thread is in a call to TensorFlow. CPython's signal handler writes the number of the
signal to a pipe (see `signal.set_wakeup_fd`). A second thread reads the number of the signal from
the pipe, and ends the process. After a signal, the pipeline completes, records and pushes nothing.
The files on the disk are the same as after `kill -9`, and the next run can always continue from
them.

Only a training with unsaved steps delays the end of the process: it first writes a checkpoint.
"""

import atexit
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, Protocol

from common.processes import adopt_orphans, kill_descendants

_DESCRIPTIONS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "ended, because its terminal is gone",
}
# If the user presses Ctrl-C once, a process that was started by timeout(1) or uv gets SIGINT twice:
# from the terminal, and from timeout or uv. If a second signal arrives less than `_SAME_REQUEST`
# seconds after the first signal, this module ignores the second signal, because it may be a copy of
# the first signal.
_SAME_REQUEST = 0.5  # seconds
_LONGEST_CALLBACKS = 1.0  # seconds that all callbacks together may take
_LONGEST_TURN = 0.2  # longest wait for one callback, in seconds, before the next one starts
_LONGEST_KILL = 2.0  # longest wait for the killed descendants to exit, in seconds


class InterruptibleTraining(Protocol):
    """A training job that may have to save a checkpoint before the process ends.

    Attributes:
      has_unsaved_steps: whether the model was trained further since the last checkpoint.
    """

    has_unsaved_steps: bool

    def request_stop(self, number: int, frame: Any) -> None:
        """Asks the training job to save a checkpoint and to end.

        The thread that waits for signals calls this method while the main thread is training the
        model.

        Args:
          number: the number of the signal.
          frame: unused; `request_stop` has the same arguments as a signal handler.
        """


class Termination:
    """Waits for a signal in a second thread, and then ends the process."""

    def __init__(self, program: str) -> None:
        """
        Args:
          program: the name of the program, with which every message begins.
        """
        self._program = program
        # `_stderr` remains the original stderr when a run redirects descriptor 2 to its log.
        self._stderr = os.dup(2)
        self._lock = threading.RLock()
        self._trainings: list[InterruptibleTraining] = []
        self._callbacks: list[Callable[[], None]] = []
        self._number: int | None = None
        self._since = 0.0

    def start(self) -> None:
        """Installs the signal handlers and starts the thread that ends the process.

        Call this method in the main thread, because only the main thread can install signal
        handlers.
        """
        # Ignore an error of `adopt_orphans`, whose system call may be forbidden in a sandbox.
        # Without `adopt_orphans`, a signal still ends this process and its descendants, except
        # those whose parent process has exited.
        with suppress(OSError):
            adopt_orphans()
        read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        os.set_blocking(read, True)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in _DESCRIPTIONS:
            # If the program that started this process made it ignore a signal, keep ignoring the
            # signal. For example, a shell makes a background job ignore Ctrl-C, and nohup makes a
            # program ignore SIGHUP.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _ignore_in_main_thread)
        threading.Thread(target=self._wait, args=(read,), name="signals", daemon=True).start()

    def _wait(self, pipe: int) -> None:
        while numbers := os.read(pipe, 512):
            for number in numbers:
                if number in _DESCRIPTIONS:
                    self._receive(number)

    def _receive(self, number: int) -> None:
        with self._lock:
            is_first = self._number is None
            if not is_first and time.monotonic() - self._since < _SAME_REQUEST:
                return
            self._number = number
            if is_first:
                self._since = time.monotonic()
                if self._trainings and self._trainings[0].has_unsaved_steps:
                    self._trainings[0].request_stop(number, None)
                    self._print_and_log(
                        "the training is being saved; a second Ctrl-C ends it at once"
                    )
                    return
            self._end(number)

    @contextmanager
    def postpone_end(self, training: InterruptibleTraining) -> Iterator[None]:
        """See the function `postpone_end` of this module."""
        with self._lock:
            self._trainings.append(training)
        why = ""
        try:
            yield
        except BaseException as error:
            why = str(error)
            raise
        finally:
            with self._lock:
                self._trainings.remove(training)
                if self._number is not None and not self._trainings:
                    self._end(self._number, why)

    @contextmanager
    def call_before_end(self, callback: Callable[[], None]) -> Iterator[None]:
        """See the function `call_before_end` of this module."""
        self._callbacks.append(callback)
        try:
            yield
        finally:
            self._callbacks.remove(callback)

    def stop_here(self) -> None:
        """See the function `stop_here` of this module."""
        with self._lock:  # if another thread is already ending the process, wait here
            if self._number is not None and not self._trainings:
                self._end(self._number)

    def _end(self, number: int, why: str = "") -> NoReturn:
        until = time.monotonic() + _LONGEST_CALLBACKS
        # Run each callback in its own thread, so that the other callbacks run even if one hangs.
        threads = [threading.Thread(target=f, daemon=True) for f in reversed(self._callbacks)]
        for thread in threads:
            thread.start()
            thread.join(_LONGEST_TURN)  # if the callback hangs, start the next one after this time
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._print_and_log(f"{_DESCRIPTIONS[signal.Signals(number)]}{why and ': '}{why}")
        kill_descendants(_LONGEST_KILL)
        os._exit(128 + number)

    def _print_and_log(self, text: str) -> None:
        """Prints a line on the terminal and in the log.

        If the terminal or the log is a full pipe that no process reads, the function does not write
        to the pipe, because writing would block.
        """
        line = f"{self._program}: {text}\n".encode()
        descriptors = [self._stderr]
        with suppress(OSError):  # descriptor 2 may be closed
            descriptors += [2] * (not os.path.sameopenfile(2, self._stderr))
        for descriptor in descriptors:
            with suppress(OSError):  # the terminal may be gone, or the disk full
                waiting = select.poll()
                waiting.register(descriptor, select.POLLOUT)
                if waiting.poll(500):
                    os.write(descriptor, line)


# The only `Termination` of this process, because signal handlers belong to the whole process.
_current: Termination | None = None


def _ignore_in_main_thread(*_: Any) -> None:
    """Does nothing.

    This handler exists because CPython writes the number of a signal to the pipe of
    `signal.set_wakeup_fd` only if the signal has a handler in Python. The thread that reads the
    pipe, and not this handler, ends the process.
    """


def end_on_signals(program: str) -> None:
    """Makes Ctrl-C, SIGTERM and SIGHUP end this process and all its descendants.

    The exit status is 128 plus the number of the signal: 130 for Ctrl-C, 143 for SIGTERM and 129
    for SIGHUP. A signal that is already ignored when the program starts, such as SIGHUP under
    nohup, stays ignored. Call this function in the main thread, before the program does anything
    slow.

    Args:
      program: the name of the program, with which every message begins.
    """
    global _current  # noqa: PLW0603
    _current = Termination(program)
    _current.start()
    # Block signals during a fork. A child process inherits the signal handlers and the pipe of its
    # parent. Until the child has restored the default handlers, a signal to the child would be
    # written to this pipe, and would end the parent.
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, _DESCRIPTIONS),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, _DESCRIPTIONS),
        after_in_child=_begin_as_fork,
    )
    # Restore the default handlers before the interpreter shuts down, because the shutdown stops the
    # thread that reads the pipe, and signals would then have no effect. `_restore_signals` runs
    # after all atexit functions that are registered later, because atexit calls functions in the
    # reverse order of their registration.
    atexit.register(_restore_signals)


def _begin_as_fork() -> None:
    _restore_signals()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _DESCRIPTIONS)


def _restore_signals() -> None:
    """Restores the default handlers of the signals."""
    global _current  # noqa: PLW0603
    if _current is not None:
        _current = None
        signal.set_wakeup_fd(-1)
        for number in _DESCRIPTIONS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)


def ends_on_signals() -> bool:
    """Whether `end_on_signals` was called in this process."""
    return _current is not None


@contextmanager
def postpone_end(training: InterruptibleTraining) -> Iterator[None]:
    """A context that lets a training job save a checkpoint before a signal ends the process.

    If the training job `training` has unsaved steps when a signal arrives, this module calls
    `training.request_stop`, and ends the process at the end of the context. If `training` has no
    unsaved steps, the signal ends the process immediately. If an exception is raised in the context
    after the signal, the process prints the message of the exception before exiting. A second
    signal ends the process immediately. If contexts are nested, only the outermost context has an
    effect.
    """
    assert _current is not None, "end_on_signals was not called"
    with _current.postpone_end(training):
        yield


@contextmanager
def call_before_end(callback: Callable[[], None]) -> Iterator[None]:
    """A context in which this module calls `callback` before a signal ends the process.

    The callback runs in another thread, because the main thread may be busy.

    If such contexts are nested, the process waits at most one second for all their callbacks
    together.
    """
    if _current is None:
        yield
        return
    with _current.call_before_end(callback):
        yield


def stop_here() -> None:
    """Ends the process if a signal (Ctrl-C, SIGTERM or SIGHUP) has arrived; else does nothing.

    Call this function before an action that must not happen after Ctrl-C, such as pushing a model,
    because the main thread still runs for a moment after Ctrl-C.
    """
    if _current is not None:
        _current.stop_here()
