"""Makes Ctrl-C, SIGTERM and SIGHUP end the process, whatever the process is doing.

By default, Python raises KeyboardInterrupt in the main thread, between two instructions. A long
call into TensorFlow delays the exception. If TensorFlow has called Python code, TensorFlow turns
the exception into another exception, which callers may catch. The run would then continue with only
a part of the data. Therefore, a signal raises no exception in this project's programs. The
interpreter's own signal handler writes the number of the signal to a pipe, whatever the main thread
is doing; a second thread reads the pipe and ends the process. After the signal, no work is
completed, recorded or pushed. The files on the disk are the same as after a kill, and the next run
can always continue from them.

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
# If a process group gets a signal, wrappers such as timeout(1) and uv send it to their child once
# more; a second signal within `_SAME_REQUEST` counts as part of the user's first request.
_SAME_REQUEST = 0.5  # seconds
_LONGEST_CALLBACKS = 1.0  # seconds: longest time for all callbacks together
_LONGEST_TURN = 0.2  # seconds: longest time for which a callback delays the next callback
_LONGEST_KILL = 2.0  # seconds: longest time for killing the descendants of the process


class Work(Protocol):
    """A training that may have to save a checkpoint before the process ends.

    Attributes:
      has_unsaved_steps: whether training steps were made since the last checkpoint.
    """

    has_unsaved_steps: bool

    def announce(self, number: int, frame: Any) -> None:
        """Asks the training to save a checkpoint and to end. The method is called in another
        thread.

        Args:
          number: the number of the signal.
          frame: unused; signal handlers have this argument.
        """


class Termination:
    """Waits for the signals, and ends the process."""

    def __init__(self, program: str) -> None:
        """
        Args:
          program: the name that messages begin with.
        """
        self._program = program
        self._stderr = os.dup(2)  # a run redirects descriptor 2 to its log
        self._lock = threading.RLock()
        self._work: list[Work] = []
        self._callbacks: list[Callable[[], None]] = []
        self._number: int | None = None
        self._since = 0.0

    def start(self) -> None:
        """Makes signals end the process from now on. Call this method in the main thread."""
        # Some sandboxes refuse the call `adopt_orphans`; orphans are not killed there.
        with suppress(OSError):
            adopt_orphans()
        read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        os.set_blocking(read, True)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in _DESCRIPTIONS:
            # Signals that are ignored already stay ignored: a shell's background job ignores
            # Ctrl-C, and a command under nohup ignores SIGHUP.
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
                if self._work and self._work[0].has_unsaved_steps:
                    self._work[0].announce(number, None)
                    self._print_and_log(
                        "the training is being saved; a second Ctrl-C ends it at once"
                    )
                    return
            self._end(number)

    @contextmanager
    def postpone_end(self, work: Work) -> Iterator[None]:
        """See `postpone_end` below."""
        with self._lock:
            self._work.append(work)
        why = ""
        try:
            yield
        except BaseException as error:
            why = str(error)
            raise
        finally:
            with self._lock:
                self._work.remove(work)
                if self._number is not None and not self._work:
                    self._end(self._number, why)

    @contextmanager
    def call_before_end(self, callback: Callable[[], None]) -> Iterator[None]:
        """See `call_before_end` below."""
        self._callbacks.append(callback)
        try:
            yield
        finally:
            self._callbacks.remove(callback)

    def stop_here(self) -> None:
        """See `stop_here` below."""
        with self._lock:  # the lock is never released, because `_end` never returns
            if self._number is not None and not self._work:
                self._end(self._number)

    def _end(self, number: int, why: str = "") -> NoReturn:
        until = time.monotonic() + _LONGEST_CALLBACKS
        # Each callback has its own thread: another callback may hang.
        threads = [threading.Thread(target=f, daemon=True) for f in reversed(self._callbacks)]
        for thread in threads:
            thread.start()
            thread.join(_LONGEST_TURN)  # quick callbacks thus run one after the other
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._print_and_log(f"{_DESCRIPTIONS[signal.Signals(number)]}{why and ': '}{why}")
        kill_descendants(_LONGEST_KILL)
        os._exit(128 + number)

    def _print_and_log(self, text: str) -> None:
        """Prints a line on the console and in the log; skips a full pipe that no process reads."""
        line = f"{self._program}: {text}\n".encode()
        descriptors = [self._stderr]
        with suppress(OSError):  # the descriptor may be closed
            descriptors += [2] * (not os.path.sameopenfile(2, self._stderr))
        for descriptor in descriptors:
            with suppress(OSError):  # the terminal may be gone, or the disk full
                waiting = select.poll()
                waiting.register(descriptor, select.POLLOUT)
                if waiting.poll(500):
                    os.write(descriptor, line)


# The `Termination` of the whole process, since signal handlers belong to the process.
_current: Termination | None = None


def _ignore_in_main_thread(*_: Any) -> None:
    """The Python handler of a signal, which does nothing: the signal's number is already in the
    pipe.
    """


def end_on_signals(program: str) -> None:
    """Makes Ctrl-C, SIGTERM and SIGHUP end this process and all its descendants.

    The exit status is 128 plus the number of the signal: 130, 143, 129. Signals that are already
    ignored stay ignored. Call this function in the main thread of a program, before anything slow.

    Args:
      program: the name that messages begin with.
    """
    global _current  # noqa: PLW0603
    _current = Termination(program)
    _current.start()
    # A forked process shares the pipe of its parent until it restores the default handlers. Signals
    # are blocked meanwhile, so that a signal to the fork does not end the parent.
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, _DESCRIPTIONS),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, _DESCRIPTIONS),
        after_in_child=_begin_as_fork,
    )
    # atexit runs callbacks in reverse order, so this callback runs last. After this callback, the
    # interpreter shuts down, and the thread that reads the pipe no longer runs.
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
def postpone_end(work: Work) -> Iterator[None]:
    """A context in which `work` may save its unsaved steps before a signal ends the process.

    If `work` has unsaved steps when the signal arrives, its method `announce` is called. The
    process ends when the context ends, with the message of the exception that ended the context. A
    second signal ends the process at once. If contexts are nested, only the outermost one has this
    effect.
    """
    assert _current is not None, "end_on_signals was not called"
    with _current.postpone_end(work):
        yield


@contextmanager
def call_before_end(callback: Callable[[], None]) -> Iterator[None]:
    """A context in which a signal calls `callback`, in another thread, before the process ends.

    The process waits at most a second for all callbacks.
    """
    if _current is None:
        yield
        return
    with _current.call_before_end(callback):
        yield


def stop_here() -> None:
    """Ends the process if a signal has arrived; otherwise does nothing.

    Call it before a step that must not happen after Ctrl-C, such as a push, because a process takes
    a moment to end after a signal.
    """
    if _current is not None:
        _current.stop_here()
