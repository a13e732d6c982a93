"""A process that answers by a SavedModel as a server would. Imports no TensorFlow."""

import contextlib
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from common.errors import InputError

_SCRIPT = Path(__file__).with_name("session_model.py")


class ServingProcess:
    """Runs `trainer/serving/session_model.py`: TensorFlow, a Session, and no code of this project.

    Used as a context manager. To import TensorFlow takes seconds, so one process is for many models
    and requests; a model stays loaded until another one is asked for.

    Attributes:
      modules: top-level modules that the process has imported.
    """

    def __init__(self, python: str | Path = sys.executable) -> None:
        """
        Args:
          python: an interpreter that has TensorFlow.

        Raises:
          InputError: the process ends before it is ready.
        """
        self._log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 (until the end)
        self._process = subprocess.Popen(
            # -I: neither the environment nor the current directory adds modules of its own.
            [python, "-I", _SCRIPT, "--requests"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self.modules: frozenset[str] = frozenset(self._receive("TensorFlow"))

    def ask(
        self, directory: str | Path, inputs: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, dict[str, np.ndarray]]:
        """The outputs of some signatures of a model: {signature: {output: array}}.

        Args:
          directory: of the SavedModel.
          inputs: {signature: {input: array, or list of bytes for strings}}.

        Raises:
          InputError: the model cannot be loaded in a Session, some of its variables or tables have
            no value there, it fails to answer, or the process dies of it.
        """
        return self._exchange(directory, {name: dict(given) for name, given in inputs.items()})

    def input_shapes(self, directory: str | Path) -> dict[str, dict[str, list[int | None]]]:
        """The shapes of the inputs of a model: {signature: {input: shape}}.

        Raises:
          InputError: as `ask`.
        """
        return self._exchange(directory, None)

    def _exchange(self, directory: str | Path, inputs: Any) -> Any:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # `_receive` says why the process has ended
            pickle.dump((str(directory), inputs), self._process.stdin)
            self._process.stdin.flush()
        kind, value = self._receive(str(directory))
        if kind == "error":
            raise InputError(value)
        return value

    def _receive(self, subject: str) -> Any:
        assert self._process.stdout is not None
        try:
            return pickle.load(self._process.stdout)
        except (EOFError, pickle.UnpicklingError) as error:
            status = self._process.wait()
            self._log.seek(0)
            last = (self._log.read().strip().splitlines() or ["it said nothing"])[-1]
            raise InputError(
                f"{subject}: the process that serves it ended with status {status} ({last})"
            ) from error

    def __enter__(self) -> "ServingProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()
