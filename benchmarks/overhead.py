"""Measures the time of a run on few images, relative to the time of importing TFX's components.

    python benchmarks/overhead.py [--rounds 3]

The benchmark runs the pipeline on 120 images of handwritten digits with `--tune head`: first in a
new pipeline root, then in the same root, where every node is found in the cache. Before each run,
the benchmark measures a process that only imports `tfx.components`, and divides the time of the run
by the time of the import, because other work on the machine slows down the run and the import
alike. The benchmark prints the median ratio over all rounds, once for wall-clock time and once for
CPU time. The goal is a ratio of at most 4 in a new pipeline root, and of at most 1.3 if every node
is found in the cache.
"""

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import PIL.Image
import sklearn.datasets

_PROJECT = Path(__file__).resolve().parents[1]
_IMAGES, _CLASSES = 120, 10
_IMPORT = ("-c", "import tfx.components")
_NODE = re.compile(r"^(\w+): (cached|done)", re.MULTILINE)


class ProcessTime(NamedTuple):
    """The time of a process.

    Attributes:
      wall: wall-clock time in seconds.
      cpu: CPU time in seconds, including child processes.
    """

    wall: float
    cpu: float


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    rows: dict[str, list[tuple[ProcessTime, ProcessTime]]] = {"new run": [], "cached run": []}
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder, "images")
        _write_images(images)
        # This warm-up run also creates the backbone, so do not measure its time.
        _run(images, Path(folder, "warm-up"), "done")
        for number in range(options.rounds):
            for name, expected in (("new run", "done"), ("cached run", "cached")):
                imported = _measure(_IMPORT)
                rows[name].append((_run(images, Path(folder, str(number)), expected), imported))
    print(f"{'':12}{'run':>16}{'import':>16}{'ratio of wall':>16}{'of CPU time':>14}  goal")
    for name, goal in (("new run", 4.0), ("cached run", 1.3)):
        print(_describe(name, rows[name], goal))


def _write_images(folder: Path) -> None:
    digits = sklearn.datasets.load_digits()
    for label in range(_CLASSES):
        pixels = digits.images[digits.target == label][: _IMAGES // _CLASSES]
        directory = folder / str(label)
        directory.mkdir(parents=True)
        for index, values in enumerate(pixels):
            image = PIL.Image.fromarray((values * 255 / 16).astype("uint8"))
            image.resize((32, 32)).save(directory / f"{index}.png")


def _run(images: Path, root: Path, expected: str) -> ProcessTime:
    """Runs the pipeline and returns its time.

    Raises:
      RuntimeError: the state of a node, "done" or "cached", is not `expected`.
    """
    log = root.with_suffix(".txt")
    command = ("pipeline_runner.py", "--model", "vit_mini_fe", "--dataset", str(images))
    options = ("--tune", "head", "--min-accuracy", "0", "--set", "gate.confidence=0")
    # `data.max_leak=1` accepts test images with near duplicates in another split. DataCheck finds
    # many near duplicates among the images of digits, because these images have few pixels.
    data = ("--set", "data.max_leak=1", "--pipeline-root", str(root))
    used = _measure((*command, *options, *data), log)
    states = dict(_NODE.findall(log.read_text()))
    others = {node for node, state in states.items() if state != expected} - {"Backbone"}
    if len(states) < 10 or others:
        raise RuntimeError(f"expected every node to be {expected}: see {log.read_text()}")
    return used


def _measure(arguments: Sequence[str], log: Path | None = None) -> ProcessTime:
    before, begin = _cpu(), time.monotonic()
    output = subprocess.run(
        [sys.executable, *arguments],
        cwd=_PROJECT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    used = ProcessTime(time.monotonic() - begin, _cpu() - before)
    if log:
        log.write_text(output.stdout + output.stderr)
    return used


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _describe(name: str, pairs: Sequence[tuple[ProcessTime, ProcessTime]], goal: float) -> str:
    def show(index: int) -> str:
        wall = statistics.median(pair[index].wall for pair in pairs)
        cpu = statistics.median(pair[index].cpu for pair in pairs)
        return f"{wall:.1f} s ({cpu:.1f})"

    wall = statistics.median(run.wall / imported.wall for run, imported in pairs)
    cpu = statistics.median(run.cpu / imported.cpu for run, imported in pairs)
    return f"{name:12}{show(0):>16}{show(1):>16}{wall:>16.2f}{cpu:>14.2f}  <= {goal:g}"


if __name__ == "__main__":
    main()
