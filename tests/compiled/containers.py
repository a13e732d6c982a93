"""Runs the containers of a compiled pipeline, with the packages of the container image.

The import of TensorFlow and TFX takes eight seconds of processor time. To save time, each
container is a fork of a process that has imported TensorFlow and TFX: see
`tests.compiled.container_server`. tests/image/test_install.py and `tests.compiled.replicas` start
the containers' entry point as a new process instead.
"""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

_PYTHON = ("python", "-m")  # first two words of every container's command
_LIMIT = 900  # seconds


class Containers:
    """A context manager that runs containers one after another.

    Attributes:
      bin: the `bin` directory of the environment that stands for the image.
    """

    def __init__(self, bin: Path, folder: Path) -> None:
        """
        Args:
          bin: the `bin` directory of the environment that stands for the image.
          folder: a folder for the disk of the server process.
        """
        self.bin, self._folder = bin, folder
        self._server: subprocess.Popen[str] | None = None

    def run(
        self, command: Sequence[str], *, directory: Path, environment: dict[str, str], log: Path
    ) -> int:
        """Runs a container; returns its exit status.

        Args:
          command: the command with its arguments.
          directory: the working directory.
          environment: the environment variables.
          log: the file for stdout and stderr.
        """
        assert tuple(command[:2]) == _PYTHON, f"{command[:2]}: expected {_PYTHON}"
        request = {
            "module": command[2],
            "arguments": command[3:],
            "directory": str(directory),
            "environment": environment,
            "log": str(log),
            "limit": _LIMIT,
        }
        server = self._server = self._server or self._start()
        server.stdin.write(f"{json.dumps(request)}\n")
        server.stdin.flush()
        status = server.stdout.readline()
        assert status, "the server of the containers has ended"
        return int(status)

    def _start(self) -> "subprocess.Popen[str]":
        environment = prepare_disk(self._folder, self.bin)
        server = Path(__file__).with_name("container_server.py")
        return subprocess.Popen(
            [self.bin / "python", "-P", server],
            cwd=self._folder / "empty",
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Containers":
        return self

    def __exit__(self, *_: object) -> None:
        if self._server:
            self._server.communicate()


def prepare_disk(disk: Path, bin: Path) -> dict[str, str]:
    """Makes the folders of a container's disk: `empty` (its working directory), `home`, `tmp`.

    Args:
      disk: the folder that stands for the disk.
      bin: the `bin` directory of the environment that stands for the image.

    Returns:
      The environment variables of the container.
    """
    for directory in ("empty", "home", "tmp"):
        (disk / directory).mkdir(parents=True)
    return {
        "PATH": f"{bin}{os.pathsep}/usr/bin{os.pathsep}/bin",
        "HOME": str(disk / "home"),
        "TMPDIR": str(disk / "tmp"),
    }
