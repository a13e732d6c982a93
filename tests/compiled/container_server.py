"""Imports TFX once, and forks a process for each container of a compiled pipeline.

    python -P container_server.py

Each line on stdin describes a container, as a JSON object with the keys `module` and `arguments`
(for the command `python -m MODULE ARGUMENT…`), `directory`, `environment`, `limit`, and `log`, the
file for stdout and stderr. SIGALRM kills a container that runs longer than `limit` seconds. After a
container has ended, this program prints the exit status of the container on stdout. If a signal
ended the container, the exit status is the negative number of the signal.

This program imports no module of the project, because each container must import the project's
modules itself.
"""

import json
import os
import runpy
import signal
import sys
import tempfile

# The module in the next import imports TensorFlow and all of TFX's executors.
import tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor  # noqa: F401
from tfx.extensions.google_cloud_ai_platform import runner

runner._POLLING_INTERVAL_IN_SECONDS = 1  # by default, TFX asks for a custom job's state every 30 s


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
    """Makes this forked process look like a new Python process, and runs a container in it."""
    signal.alarm(limit)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # makes Python forget the temporary folder of the server
    output = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    for descriptor, file in enumerate((os.open(os.devnull, os.O_RDONLY), output, output)):
        os.dup2(file, descriptor)
    sys.path.insert(0, directory)
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
