"""Ctrl-C, SIGTERM and SIGHUP end the process, whatever it is doing at that moment.

Python raises KeyboardInterrupt in the main thread, between two instructions. A long call into
TensorFlow delays it, and where TensorFlow has called Python code, the exception becomes another
one, which callers may swallow: then the run goes on, with a result made of half the data. For this
reason a signal raises nothing here. The interpreter's own signal handler writes the number of the
signal to a pipe, wherever the main thread is; a thread reads it and ends the process. No work is
completed, recorded or pushed after that. The files on disk are those that a killed process leaves,
which the next run must be able to go on from in any case.

Only a training that has steps to save puts the end off, until its checkpoint is written.
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

_NAMES = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "ended, as its terminal is gone",
}
# In seconds. Wrappers such as timeout(1) and uv send the signal that their process group was sent
# to their child once more: that is no second request.
_SAME_REQUEST = 0.5
_FAREWELL = 1.0
_IN_ORDER = 0.2
_CHILDREN = 2.0


class Work(Protocol):
    """Work that may have something to save before the process ends.

    Attributes:
      has_unsaved_steps: whether it has.
    """

    has_unsaved_steps: bool

    def announce(self, number: int, frame: Any) -> None:
        """Asks it to save and to end; `number` is the signal's. Called in another thread."""


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
        self._farewells: list[Callable[[], None]] = []
        self._number: int | None = None
        self._since = 0.0

    def start(self) -> None:
        """Makes signals end the process from now on. It must be called in the main thread."""
        with suppress(OSError):  # some sandboxes refuse; then a process without a parent stays
            adopt_orphans()
        read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        os.set_blocking(read, True)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in _NAMES:
            # A shell has its background jobs ignore Ctrl-C, and nohup its command SIGHUP.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _raise_nothing)
        threading.Thread(target=self._wait, args=(read,), name="signals", daemon=True).start()

    def _wait(self, pipe: int) -> None:
        while numbers := os.read(pipe, 512):
            for number in numbers:
                if number in _NAMES:
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
                    self._say("the training is being saved; a second Ctrl-C ends it at once")
                    return
            self._end(number)

    @contextmanager
    def postponed(self, work: Work) -> Iterator[None]:
        """See `postponed` below."""
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
    def announced(self, farewell: Callable[[], None]) -> Iterator[None]:
        """See `announced` below."""
        self._farewells.append(farewell)
        try:
            yield
        finally:
            self._farewells.remove(farewell)

    def stop_here(self) -> None:
        """See `stop_here` below."""
        with self._lock:  # it is held until the process has ended
            if self._number is not None and not self._work:
                self._end(self._number)

    def _end(self, number: int, why: str = "") -> NoReturn:
        until = time.monotonic() + _FAREWELL
        # In threads of their own, since the main thread may hold a lock that they need.
        threads = [threading.Thread(target=f, daemon=True) for f in reversed(self._farewells)]
        for thread in threads:
            thread.start()
            thread.join(_IN_ORDER)  # quick ones keep their order, and none waits for one that hangs
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._say(f"{_NAMES[signal.Signals(number)]}{why and ': '}{why}")
        kill_descendants(_CHILDREN)
        os._exit(128 + number)

    def _say(self, text: str) -> None:
        """Prints a line, on the log as well; unless nobody reads it and the pipe is full."""
        line = f"{self._program}: {text}\n".encode()
        descriptors = [self._stderr]
        with suppress(OSError):  # a closed descriptor
            descriptors += [2] * (not os.path.sameopenfile(2, self._stderr))
        for descriptor in descriptors:
            with suppress(OSError):  # the terminal is gone, the disk is full
                waiting = select.poll()
                waiting.register(descriptor, select.POLLOUT)
                if waiting.poll(500):
                    os.write(descriptor, line)


_current: Termination | None = None  # of this process, like the handlers of its signals


def _raise_nothing(*_: Any) -> None:
    """The handler in the main thread: the pipe has the signal already."""


def end_on_signals(program: str) -> None:
    """Makes Ctrl-C, SIGTERM and SIGHUP end this process and all processes below it.

    The exit status is 128 and the number of the signal: 130, 143, 129. Signals that are ignored
    already stay ignored. Only for the main thread of a program, before anything that takes a while.

    Args:
      program: the name that messages begin with.
    """
    global _current  # noqa: PLW0603
    _current = Termination(program)
    _current.start()
    # A signal for a fork is not for its parent, whose pipe it has until it gives the signals back.
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, _NAMES),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, _NAMES),
        after_in_child=_begin_as_fork,
    )
    # Callbacks run in reverse order: this one runs last, when only the interpreter's own end is
    # left, in which threads do not run any more.
    atexit.register(_restore_signals)


def _begin_as_fork() -> None:
    _restore_signals()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _NAMES)


def _restore_signals() -> None:
    """Gives the signals back: they end the process as they end any other."""
    global _current  # noqa: PLW0603
    if _current is not None:
        _current = None
        signal.set_wakeup_fd(-1)
        for number in _NAMES:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)


def ends_on_signals() -> bool:
    """Whether `end_on_signals` was called in this process."""
    return _current is not None


@contextmanager
def postponed(work: Work) -> Iterator[None]:
    """Within it, a signal that comes while `work` has unsaved steps asks `work` to save and to end.

    The process ends when this context does, with the message of the exception that left it. A
    second signal ends the process at once. Where contexts are nested, the outermost one counts.
    """
    assert _current is not None, "end_on_signals was not called"
    with _current.postponed(work):
        yield


@contextmanager
def announced(farewell: Callable[[], None]) -> Iterator[None]:
    """Within it, `farewell` is called, in another thread, before a signal ends the process.

    The process waits for it for a second.
    """
    if _current is None:
        yield
        return
    with _current.announced(farewell):
        yield


def stop_here() -> None:
    """Does not return once a signal has come.

    Called before what must not happen after Ctrl-C, in the moment that it takes the process to end.
    """
    if _current is not None:
        _current.stop_here()
