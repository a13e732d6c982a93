"""Controls a process that measures one framework. Requests and replies are lines of JSON.

TensorFlow and PyTorch run in separate processes, so that neither affects the thread pool, the
memory allocator or the libraries of the other. The benchmarks measure TensorFlow's process and
PyTorch's process alternately.
"""

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

_FOLDER = Path(__file__).parent
_TORCH_SHAPE = ("image_size", "patch_size", "width", "depth", "heads", "mlp_dim")


class SideError(Exception):
    """A process could not fulfil a request. The message is one line."""


class Side:
    """A running process that measures one framework."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        """Starts the process.

        Args:
          name: the name of the framework, for messages.
          command: the command, which reads requests from stdin and writes replies to stdout.
          environment: the environment variables of the process; None for the variables of this
            process.
        """
        self.name = name
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd=_FOLDER.parents[1],
        )

    def ask(self, do: str, *, timeout: float = 600.0, **arguments: Any) -> dict[str, Any]:
        """Sends a request and returns the reply.

        Args:
          do: the name of the request.
          timeout: the time limit in seconds, after which the process is killed.
          arguments: the arguments of the request.

        Raises:
          SideError: the process replied with an error, has ended, or did not reply in time.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise SideError(f"the process of {self.name} has ended") from error
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(timeout):
                self.close()
                raise SideError(f"{self.name} did not reply to {do!r} within {timeout:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise SideError(f"the {self.name} process ended with status {self._process.wait()}")
        reply = json.loads(line)
        if "error" in reply:
            raise SideError(f"{self.name}: {reply['error']}")
        return reply

    @property
    def is_running(self) -> bool:
        """Whether the process is still running."""
        return self._process.poll() is None

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start_tensorflow(*, sees_gpu: bool = True) -> Side:
    """Starts a process that measures this project's own code, in the current Python environment.

    Args:
      sees_gpu: whether TensorFlow in this process may use the machine's GPUs.
    """
    environment = dict(os.environ) if sees_gpu else os.environ | {"CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-m", "benchmarks.sides.tensorflow_side"]
    return Side("TensorFlow", command, environment)


def start_torch(python: str) -> Side:
    """Starts a process that measures Vision Transformers in PyTorch, for comparison.

    Args:
      python: the path of a Python interpreter with PyTorch installed. The process does not inherit
        environment variables such as `PYTHONPATH`, which may point to packages and libraries of the
        calling process.
    """
    dropped = ("PYTHONPATH", "LD_LIBRARY_PATH", "XLA_FLAGS")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    return Side("PyTorch", [python, str(_FOLDER / "torch_side.py")], environment)


def torch_shape(architecture: Any) -> dict[str, int]:
    """Returns the sizes that `torch_side.py` needs to create a plain ViT."""
    return {name: getattr(architecture, name) for name in _TORCH_SHAPE}


def serve(requests: Mapping[str, Callable[..., dict[str, Any]]], failures: type[Exception]) -> None:
    """Answers requests from stdin until stdin ends.

    Args:
      requests: maps the name of a request to a function, which gets the arguments of the request
        and returns the reply.
      failures: the type of exceptions that this function catches and reports in the reply; any
        other exception ends the process.
    """
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # send the output of libraries to stderr, so that stdout contains only replies
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = requests[request.pop("do")](**request)
        except failures as error:
            reply = {"error": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
        print(json.dumps(reply), file=replies, flush=True)


def time_turns(
    sides: Sequence[Side], name: str, *, rounds: int, seconds: float
) -> list[list[float]]:
    """Measures the seconds per step of several processes, which run alternately.

    Args:
      sides: the processes, each of which has prepared a step with the name `name`.
      name: the name of the prepared step, the same in all processes.
      rounds: how many times each process is measured.
      seconds: the approximate duration of each measurement.

    Returns:
      For each process, a list with the seconds per step in each round.
    """
    steps = []
    for side in sides:
        side.ask("run", name=name, steps=1)
        step = side.ask("run", name=name, steps=1)["seconds"]
        steps.append(max(int(seconds / max(step, 1e-6)), 1))
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, count, own in zip(sides, steps, times, strict=True):
            own.append(side.ask("run", name=name, steps=count)["seconds"] / count)
    return times
