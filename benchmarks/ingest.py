"""Measures the nodes that read images: memory, speed, and bytes.

python benchmarks/ingest.py [memory] [speed] [decoders] [--images FOLDER] [--counts 3000 30000]
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ingestion.material import make_small_images
from benchmarks.ingestion.watched_run import NodeUse, watch_run

_PARTS = ("memory",)
_NODES = ("ImageExampleGen", "StatisticsGen", "Transform", "Evaluator")


def main(arguments: list[str] | None = None) -> None:
    options = _parse(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if "memory" in options.parts:
            _print_memory(folder, options.counts, options.size, options.tune)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=_PARTS, help=", ".join(_PARTS) + "; all")
    parser.add_argument("--counts", type=int, nargs=2, default=(3000, 30000), help="of images")
    parser.add_argument("--size", type=int, default=30000, help="bytes of an image of `memory`")
    parser.add_argument("--tune", nargs="+", default=("full", "head"), choices=("full", "head"))
    parser.add_argument("--work", type=Path, help="keep images, runs and logs in this folder")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(_PARTS):
        parser.error(f"{', '.join(unknown)}: expected some of {', '.join(_PARTS)}")
    return options


def _print_memory(folder: Path, counts: tuple[int, int], size: int, tunes: list[str]) -> None:
    print(f"peak MiB, {counts[0]} and {counts[1]} images of {size} bytes")
    print(f"{'':30}{'once':>10}{'more':>10}{'ratio':>8}  goal")
    for tune in tunes:
        runs = [_run(folder, make_small_images(folder / f"{n}", n, size), tune) for n in counts]
        for node in _NODES:
            few, many = (run[node].peak for run in runs)
            print(
                f"{node + ', ' + tune:30}{few:10.0f}{many:10.0f}{many / few:8.2f}  <= 1.1",
                flush=True,
            )


def _run(folder: Path, images: Path, tune: str) -> dict[str, NodeUse]:
    name = f"{images.name}-{tune}"
    return watch_run(
        [
            *("--model", "vit_mini_fe", "--weights", "random", "--dataset", str(images)),
            *("--tune", tune, "--pipeline-root", str(folder / "runs" / name)),
            *("--set", "train.steps=2", "--set", "train.batch_size=16", "--min-accuracy", "0"),
        ],
        folder / f"{name}.log",
    )


if __name__ == "__main__":
    main()
