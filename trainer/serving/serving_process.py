"""Runs a SavedModel in a process that loads it as a server would. Imports no TensorFlow."""

import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

import numpy as np

from common.errors import InputError
from common.memory import peak_memory
from trainer.serving.watchdog import Bounds, Watchdog

STOPPED = "was stopped"  # part of the message if a process exceeds its bounds
_SCRIPT = Path(__file__).with_name("session_model.py")


class ServingProcess:
    """A context manager that runs `trainer/serving/session_model.py` in a process of its own.

    The process imports TensorFlow, but no code of this project. Importing TensorFlow takes seconds,
    so one process serves many models and requests. A model stays loaded until a request for another
    model.

    Attributes:
      modules: the names of top-level modules that the process has imported.
    """

    def __init__(
        self,
        python: str | Path = sys.executable,
        *,
        bounds: Bounds | None = None,
        on_cpu: bool = False,
    ) -> None:
        """
        Args:
          python: the path of a Python with TensorFlow.
          bounds: the longest time of a request, and the most memory of the process; if None, time
            and memory are not limited. A process that exceeds the bounds is killed.
          on_cpu: whether the process uses no GPU.

        Raises:
          InputError: the process ends before it is ready.
        """
        self._bounds = bounds
        started = _ahead.pop((str(python), on_cpu), None) or _start(python, on_cpu)
        self._process, self._log = started.process, started.log
        # Importing TensorFlow takes seconds to minutes, on any machine, whatever the model.
        with Watchdog(self._process, None) as unbounded:
            self.modules: frozenset[str] = frozenset(self._receive("TensorFlow", unbounded))

    def ask(
        self, directory: str | Path, inputs: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, dict[str, np.ndarray]]:
        """Runs signatures of a model.

        Args:
          directory: the directory of the SavedModel.
          inputs: the inputs as {signature: {input: array}}; strings are lists of bytes.

        Returns:
          The outputs as {signature: {output: array}}.

        Raises:
          InputError: the model cannot be loaded in a Session; some of its variables or tables have
            no value there; a signature fails; or the process crashes, or is killed because it
            exceeds its bounds.
        """
        return self._exchange(directory, {name: dict(given) for name, given in inputs.items()})

    def input_shapes(self, directory: str | Path) -> dict[str, dict[str, list[int | None]]]:
        """Returns the shapes of a model's inputs as {signature: {input: shape}}.

        Raises:
          InputError: see `ask`.
        """
        return self._exchange(directory, None)

    def peak_memory(self) -> int:
        """Returns the most memory that the process has used at any time, in bytes."""
        return peak_memory(self._process.pid)

    def _exchange(self, directory: str | Path, inputs: Any) -> Any:
        assert self._process.stdin is not None
        with Watchdog(self._process, self._bounds) as watchdog:
            # `_receive` reports why the process has ended.
            with contextlib.suppress(BrokenPipeError):
                pickle.dump((str(directory), inputs), self._process.stdin)
                self._process.stdin.flush()
            kind, value = self._receive(str(directory), watchdog)
        if kind == "error":
            raise InputError(value)
        return value

    def _receive(self, subject: str, watchdog: Watchdog) -> Any:
        assert self._process.stdout is not None
        try:
            return pickle.load(self._process.stdout)
        except (EOFError, pickle.UnpicklingError) as error:
            status = self._process.wait()
            if watchdog.reason:
                raise InputError(
                    f"{subject}: the process that runs the model {STOPPED}: {watchdog.reason}"
                ) from error
            self._log.seek(0)
            last = (self._log.read().strip().splitlines() or ["without a message"])[-1]
            raise InputError(
                f"{subject}: the process that runs the model ended with status {status} ({last})"
            ) from error

    def __enter__(self) -> "ServingProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _Started(self._process, self._log).stop()


class _Started(NamedTuple):
    """A process that imports TensorFlow, and the file to which it writes its messages."""

    process: "subprocess.Popen[bytes]"
    log: IO[str]

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.log.close()


# The processes that were started ahead; the keys are the path of the Python and `on_cpu`.
_ahead: dict[tuple[str, bool], _Started] = {}


@contextlib.contextmanager
def serving_process_ahead() -> Iterator[Callable[[], None]]:
    """A context in which the import of TensorFlow for a `ServingProcess` can begin earlier.

    Yields:
      A function that starts a process; the next ServingProcess of this Python on the CPU uses it.
      A process that is not used ends with the context.
    """
    key = sys.executable, True

    def start() -> None:
        if key not in _ahead:
            _ahead[key] = _start(*key)

    try:
        yield start
    finally:
        if unused := _ahead.pop(key, None):
            unused.stop()


def _start(python: str | Path, on_cpu: bool) -> _Started:
    log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 (until the end)
    process = subprocess.Popen(
        # With -I, Python ignores PYTHONPATH and the modules in the current directory.
        [python, "-I", _SCRIPT, "--requests"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        # An empty value of CUDA_VISIBLE_DEVICES hides all GPUs as well, but not from every version
        # of the driver.
        env=os.environ | ({"CUDA_VISIBLE_DEVICES": "-1"} if on_cpu else {}),
    )
    return _Started(process, log)
