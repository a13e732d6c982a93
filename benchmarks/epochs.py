"""Measures how much longer a run of the whole pipeline takes if a head trains for more epochs.

    python benchmarks/epochs.py --model DIR --dataset DIR [--epochs 100] [--rounds 3]

Each round times two runs of `pipeline_runner.py --tune head`, one with `--epochs` epochs and one
with a single epoch. Each run starts with an empty pipeline root and ends when the model is pushed.
In each round, the benchmark divides the time of the run with `--epochs` epochs by the time of the
run with one epoch. The benchmark prints the median ratio over all rounds. Transform runs the frozen
backbone only once on each image, and an epoch trains only the head, so each further epoch should
take almost no time. The goal is a ratio of at most 1.2 for 100 epochs on 600 images. An untimed run
before the first round downloads or converts the model, so that the timed runs find the model in the
cache.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_RUNNER = Path(__file__).resolve().parent.parent / "pipeline_runner.py"


def main(arguments: list[str] | None = None) -> None:
    options = _parse(arguments)
    print(f"{options.model}, {options.dataset}, {options.rounds} rounds")
    print(f"{'':38}{f'{options.epochs} epochs':>12}{'1 epoch':>12}{'ratio':>8}  goal")
    _seconds(options, 1)
    many, one = [], []
    for _ in range(options.rounds):
        many.append(_seconds(options, options.epochs))
        one.append(_seconds(options, 1))
    ratio = statistics.median(m / o for m, o in zip(many, one, strict=True))
    figures = [f"{statistics.median(seconds):.1f}" for seconds in (many, one)]
    print(f"{'the whole pipeline, s':38}{figures[0]:>12}{figures[1]:>12}{ratio:>8.3f}  <= 1.2")


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="as for pipeline_runner.py")
    parser.add_argument("--dataset", required=True, help="as for pipeline_runner.py")
    parser.add_argument("--data-dir", help="as for pipeline_runner.py")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args(arguments)


def _seconds(options: argparse.Namespace, epochs: int) -> float:
    """Returns the seconds that a run takes, from an empty pipeline root to the pushed model."""
    with tempfile.TemporaryDirectory() as root:
        command = [sys.executable, str(_RUNNER), "--tune", "head", "--min-accuracy", "0"]
        command += ["--model", options.model, "--dataset", options.dataset]
        command += ["--epochs", str(epochs), "--pipeline-root", root]
        if options.data_dir:
            command += ["--data-dir", options.data_dir]
        begin = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr}")
        return time.monotonic() - begin


if __name__ == "__main__":
    main()
