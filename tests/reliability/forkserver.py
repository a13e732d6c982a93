"""Imports the project once, and forks a process for each run, so that runs need no imports.

Requests are lines of JSON on stdin:

- `{"id": …, "arguments": […], "environment": {…}, "out": FILE}` runs the command line;
- `{"id": …, "weights": DIRECTORY, "out": FILE}` writes the weights of a SavedModel to a .npy file.

Answers are lines of JSON on stdout: `{"id": …, "process": …}` when a process has started, and
`{"id": …, "status": …}` when it has ended. If a signal killed the process, the status is the
negative number of that signal.

    python -m tests.reliability.forkserver
"""

import importlib
import json
import os
import select
import signal
import sys
import tempfile
from typing import Any

import numpy as np

import pipeline_runner
from common.termination import end_on_signals

# Importing these modules also imports all other modules that a run needs.
_MODULES = (
    "pipeline.inputs",
    "pipeline.runners.local",
    "trainer.train",
    "trainer.tuner",
    "trainer.preprocessing",
    "components.image_example_gen.executor",
    "components.model_evaluator.executor",
    "components.model_pusher.executor",
)


def main() -> None:
    """Reads requests and forks processes until stdin ends."""
    for module in _MODULES:
        importlib.import_module(module)
    answer(ready=True)
    running: dict[int, Any] = {}
    rest = b""
    while True:
        if select.select([0], [], [], 0.05)[0]:
            read = os.read(0, 65536)
            if not read:
                return
            *lines, rest = (rest + read).split(b"\n")
            for line in lines:
                request = json.loads(line)
                process = os.fork()
                if not process:
                    run_request(request)
                running[process] = request["id"]
                answer(id=request["id"], process=process)
        while running:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                break
            answer(id=running.pop(process), status=os.waitstatus_to_exitcode(status))


def answer(**values: Any) -> None:
    """Writes one line to stdout."""
    os.write(1, f"{json.dumps(values)}\n".encode())


def run_request(request: dict[str, Any]) -> None:
    """Executes a request in a forked process.

    Like a shell, this function puts the process into a process group of its own.
    """
    os.setpgid(0, 0)
    out = os.open(request["out"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    if "weights" in request:
        np.save(request["out"], read_weights(request["weights"]))
        os._exit(0)
    os.environ.update(request.get("environment", {}))
    # Python must not use the cached folder for temporary files, but TMPDIR from the request.
    tempfile.tempdir = None
    signal.signal(signal.SIGINT, signal.default_int_handler)
    end_on_signals("pipeline_runner.py")
    sys.exit(pipeline_runner.main(request["arguments"]))


def read_weights(directory: str) -> np.ndarray:
    """Returns all variables of a SavedModel as one array, float64 `[N]`, without loading its
    graph."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(f"{directory}/variables/variables")
    names = set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    values = [reader.get_tensor(name) for name in sorted(names)]
    return np.concatenate(
        [value.ravel() for value in values if value.dtype.kind == "f"], dtype=float
    )


if __name__ == "__main__":
    main()
