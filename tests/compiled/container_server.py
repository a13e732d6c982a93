"""Imports TFX once, and forks a process for each container of a compiled pipeline.

    python -P container_server.py

Each line on stdin is a container in JSON: `module` and `arguments` (the command is `python -m
MODULE ARGUMENT…`), `directory`, `environment`, and `log`, the file for stdout and stderr. When the
container has ended, its exit status is a line on stdout; a negative status is the number of a
signal. A container that runs longer than `limit` seconds is killed by SIGALRM.

This program imports no module of the project, so each container imports them itself.
"""

import json
import os
import runpy
import signal
import sys
import tempfile

# This module imports TensorFlow and all of TFX's executors.
import tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor  # noqa: F401
from tfx.extensions.google_cloud_ai_platform import runner

runner._POLLING_INTERVAL_IN_SECONDS = 1  # TFX asks for a custom job's state every 30 s


def main() -> None:
    """Runs containers, one after another, until stdin ends."""
    for line in sys.stdin:
        process = os.fork()
        if not process:
            run_container(**json.loads(line))
            return
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def run_container(
    *,
    module: str,
    arguments: list[str],
    directory: str,
    environment: dict[str, str],
    log: str,
    limit: int,
) -> None:
    """Runs a container in a forked process, which behaves like a new Python process."""
    signal.alarm(limit)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # Python has cached the server's folder
    output = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    for descriptor, file in enumerate((os.open(os.devnull, os.O_RDONLY), output, output)):
        os.dup2(file, descriptor)
    sys.path.insert(0, directory)
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
