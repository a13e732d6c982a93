"""Measures the nodes that read images: memory, speed, and bytes.

    python benchmarks/ingest.py [memory] [speed] [--images FOLDER] [--counts 3000 30000]

Every run starts the command line with vit_mini in a new process, and watches this process. A run on
thousands of images takes minutes.

memory: peak resident memory (VmHWM) while a node runs, with few and with ten times as many images,
all of them different, for both ways of tuning. All nodes run in one process, so a peak includes
memory that earlier nodes still hold.

speed: CPU time per image, in ingestion and in the nodes up to Transform. The time is the difference
between two runs, with few and with many images, divided by the difference of the numbers of images.
So the start of a node does not count, and other processes on the machine matter little. This time
is compared with that of a bare loop, which reads and decodes the same files with TensorFlow. Two
workers are compared with one worker by wall time, which needs a machine without other work.
`--images` names class folders of real JPEGs, which are copied, all different by a few bytes;
without it, images are generated.

decoders: CPU time for reading and decoding an image with TensorFlow, Pillow and (if pyvips is
installed) libvips, whole and at an eighth of the size.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ingestion.decoders import BARE, measure_decoders
from benchmarks.ingestion.material import make_copies, make_small_images
from benchmarks.ingestion.watched_run import NodeUse, watch_run

_PARTS = ("memory", "speed", "decoders")
_NODES = ("ImageExampleGen", "StatisticsGen", "Transform", "Evaluator")
_TWO_WORKERS = (
    *("--runner", "beam", "--beam-arg=--direct_running_mode=multi_processing"),
    "--beam-arg=--direct_num_workers=2",
)


def main(arguments: list[str] | None = None) -> None:
    options = _parse(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if "memory" in options.parts:
            _print_memory(folder, options.counts, options.size, options.tune)
        if {"speed", "decoders"} & set(options.parts):
            folders = [_photographs(folder, options.images, n) for n in options.speed_counts]
            times = measure_decoders(folders[0])
            if "decoders" in options.parts:
                _print_decoders(times)
            if "speed" in options.parts:
                _print_speed(folder, folders, times[BARE])


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=_PARTS, help=", ".join(_PARTS) + "; all")
    parser.add_argument("--counts", type=int, nargs=2, default=(3000, 30000), help="of `memory`")
    parser.add_argument("--size", type=int, default=30000, help="bytes of an image of `memory`")
    parser.add_argument("--tune", nargs="+", default=("full", "head"), choices=("full", "head"))
    parser.add_argument("--speed-counts", type=int, nargs=2, default=(1000, 4000))
    parser.add_argument("--images", type=Path, help="class folders of JPEGs, for `speed`")
    parser.add_argument("--work", type=Path, help="keep images, runs and logs in this folder")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(_PARTS):
        parser.error(f"{', '.join(unknown)}: expected some of {', '.join(_PARTS)}")
    return options


def _photographs(folder: Path, images: Path | None, count: int) -> Path:
    target = folder / f"speed-{count}"
    if images is None:
        return make_small_images(target, count, 60000)
    return make_copies(target, sorted(images.glob("*/*.jpg")), count)


def _print_memory(folder: Path, counts: Sequence[int], size: int, tunes: Sequence[str]) -> None:
    print(f"peak MiB, {counts[0]} and {counts[1]} images of {size} bytes")
    for tune in tunes:
        runs = [
            _run(folder, make_small_images(folder / f"{n}", n, size), tune, "Evaluator")
            for n in counts
        ]
        for node in _NODES:
            few, many = (run[node].peak for run in runs)
            _row(f"{node}, {tune}", f"{few:.0f}", f"{many:.0f}", many / few, "<= 1.1")


def _print_decoders(times: dict[str, float]) -> None:
    print("CPU ms for reading and decoding an image, and its ratio to TensorFlow's")
    for name, each in times.items():
        _row(name, f"{each:.2f}", "", each / times[BARE], "")


def _print_speed(folder: Path, folders: Sequence[Path], bare: float) -> None:
    counts = [len(list(images.glob("*/*"))) for images in folders]
    more = counts[1] - counts[0]
    one = [_run(folder, images, "full", "Transform") for images in folders]
    two = [_run(folder, images, "full", "ImageExampleGen", _TWO_WORKERS) for images in folders]

    def milliseconds_per_image(
        runs: Sequence[dict[str, NodeUse]], nodes: Sequence[str], use: str
    ) -> float:
        """Returns the milliseconds for an image, by the difference of two runs."""
        few, many = (sum(getattr(run[node], use) for node in nodes) for run in runs)
        return 1000 * (many - few) / more

    print("images/s per core, and of a bare loop that reads and decodes")
    for name, nodes, goal in (
        ("ingestion", _NODES[:1], ">= 0.7"),
        ("up to Transform", _NODES[:3], ""),
    ):
        each = milliseconds_per_image(one, nodes, "cpu")
        _row(name, f"{1000 / each:.0f}", f"{1000 / bare:.0f}", bare / each, goal)
    walls = [milliseconds_per_image(runs, _NODES[:1], "wall") for runs in (two, one)]
    rates = [f"{1000 / wall:.0f}" for wall in walls]
    _row("two workers and one, images/s", *rates, walls[1] / walls[0], ">= 1.7")
    name = f"{folders[1].name}-full"
    written = sum(f.stat().st_size for f in (folder / "runs" / name).glob("Im*/*/*/Split-*/*"))
    read = sum(file.stat().st_size for file in folders[1].glob("*/*"))
    sizes = (f"{written / 1e6:.1f}", f"{read / 1e6:.1f}")
    _row("MB written and read", *sizes, written / read, "<= 1.0")


def _row(name: str, one: str, other: str, ratio: float, goal: str) -> None:
    print(f"{name:32}{one:>10}{other:>10}{ratio:8.2f}  {goal}", flush=True)


def _run(
    folder: Path, images: Path, tune: str, last: str, flags: Sequence[str] = ()
) -> dict[str, NodeUse]:
    name = f"{images.name}-{tune}{'-two' if flags else ''}"
    return watch_run(
        [
            *("--model", "vit_mini_fe", "--weights", "random", "--dataset", str(images)),
            *("--tune", tune, "--pipeline-root", str(folder / "runs" / name), *flags),
            *("--set", "train.steps=2", "--set", "train.batch_size=16", "--min-accuracy", "0"),
        ],
        folder / f"{name}.log",
        last,
    )


if __name__ == "__main__":
    main()
