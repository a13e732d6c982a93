"""What epochs of a head cost, within the whole pipeline.

    python benchmarks/epochs.py --model DIR --dataset DIR [--epochs 100] [--rounds 3]

times `pipeline_runner.py --tune head` with that many epochs over the same with one, both from an
empty pipeline root to the pushed model, in turns; of the rounds' ratios the median is printed. The
frozen backbone sees every image once, in Transform, so that epochs should cost next to nothing:
the goal is a ratio of at most 1.2 for 100 epochs on 600 photographs. What `--model` names is made
or downloaded before the first round.
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
    parser.add_argument("--model", required=True, help="as of pipeline_runner.py")
    parser.add_argument("--dataset", required=True, help="as of pipeline_runner.py")
    parser.add_argument("--data-dir", help="as of pipeline_runner.py")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args(arguments)


def _seconds(options: argparse.Namespace, epochs: int) -> float:
    """Of a run that has nothing to go on from, and ends pushed."""
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
