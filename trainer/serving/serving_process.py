"""Runs a SavedModel in a separate process, which loads the model as a server would.

This module does not import TensorFlow, which takes seconds to import.
"""

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

# Part of the error message for a process that exceeded its time or memory limit.
STOPPED = "was stopped"
_SCRIPT = Path(__file__).with_name("session_model.py")


class ServingProcess:
    """A context manager that runs `trainer/serving/session_model.py` in a separate process.

    The process imports TensorFlow but no code of this project, because a server does not have the
    code of this project. Importing TensorFlow takes seconds, so a single process answers all
    requests, even for different models. A model stays loaded until there is a request for a
    different model.

    Attributes:
      modules: the names of the top-level modules that the process imported at its start.
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
          python: the path of a Python interpreter that can import TensorFlow.
          bounds: limits for the time of a request and for the memory of the process. A process that
            exceeds a limit is killed. If `bounds` is None, there are no limits.
          on_cpu: whether to hide all GPUs from the process.

        Raises:
          InputError: the process ended while it imported TensorFlow, for example because TensorFlow
            is not installed.
        """
        self._bounds = bounds
        started = _ahead.pop((str(python), on_cpu), None) or _start(python, on_cpu)
        self._process, self._log = started.process, started.log
        # The time limit for a request does not include the import of TensorFlow, which takes
        # seconds to minutes, independent of the model.
        with Watchdog(self._process, None) as unbounded:
            self.modules: frozenset[str] = frozenset(self._receive("TensorFlow", unbounded))

    def ask(
        self, directory: str | Path, inputs: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, dict[str, np.ndarray]]:
        """Runs signatures of a model in the process.

        Args:
          directory: the directory of the SavedModel.
          inputs: the inputs as {signature: {input: array}}; strings are lists of bytes.

        Returns:
          The outputs as {signature: {output: array}}.

        Raises:
          InputError: the model cannot be loaded in a Session; variables or tables of the model have
            no value after loading; a signature fails; the process crashes; or the process is killed
            because it exceeds a limit.
        """
        return self._exchange(directory, {name: dict(given) for name, given in inputs.items()})

    def input_shapes(self, directory: str | Path) -> dict[str, dict[str, list[int | None]]]:
        """Returns the shapes of a model's inputs as {signature: {input: shape}}.

        Raises:
          InputError: for the same reasons as in `ask`.
        """
        return self._exchange(directory, None)

    def peak_memory(self) -> int:
        """Returns the peak memory of the process so far, in bytes."""
        return peak_memory(self._process.pid)

    def _exchange(self, directory: str | Path, inputs: Any) -> Any:
        assert self._process.stdin is not None
        with Watchdog(self._process, self._bounds) as watchdog:
            # If the process has ended, writing raises BrokenPipeError, which is ignored, because
            # `_receive` then raises an InputError that says why the process has ended.
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
    """A process that runs `session_model.py`, and the file that receives its stderr."""

    process: "subprocess.Popen[bytes]"
    log: IO[str]

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.log.close()


# The processes that `serving_process_ahead` has started and that no ServingProcess uses yet. Each
# process is stored under the arguments (`python`, `on_cpu`) of the ServingProcess that can use the
# process.
_ahead: dict[tuple[str, bool], _Started] = {}


@contextlib.contextmanager
def serving_process_ahead() -> Iterator[Callable[[], None]]:
    """A context in which the process of a later `ServingProcess` can be started in advance.

    The process imports TensorFlow, which takes seconds, while the caller does other work.

    Yields:
      A function that starts the process. The next `ServingProcess` with `python=sys.executable` and
      `on_cpu=True` uses this process instead of starting its own. If no `ServingProcess` uses the
      process before the context ends, the process is killed.
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
        # With -I, Python ignores PYTHONPATH and the script's folder, so the process cannot import
        # code of this project by accident.
        [python, "-I", _SCRIPT, "--requests"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        # CUDA_VISIBLE_DEVICES=-1 hides all GPUs. With an empty value of CUDA_VISIBLE_DEVICES, some
        # versions of the NVIDIA driver do not hide the GPUs.
        env=os.environ | ({"CUDA_VISIBLE_DEVICES": "-1"} if on_cpu else {}),
    )
    return _Started(process, log)
