"""Measures the memory, the speed and the output size of the nodes that read images.

    python benchmarks/ingest.py [memory] [speed] [--images FOLDER] [--counts 3000 30000]

`memory`, and `speed` for the nodes up to Transform, run `pipeline_runner.py` with vit_mini in a new
process. A run on thousands of images takes minutes.

memory: peak resident memory (VmHWM) of the process while a node runs. The benchmark compares a run
on few images with a run on ten times as many images, once with `--tune full` and once with `--tune
head`. All images have different content. All nodes run in one process, so the peak memory of a node
includes memory that earlier nodes still hold.

speed: images per CPU second, which other processes on the machine affect less than images per
second of wall-clock time. In each of `--rounds` rounds, ImageExampleGen runs without other nodes in
a new process, once with one worker and once with two. Before and after the node, the same process
reads and decodes some of the files in a plain TensorFlow loop, for comparison. Each printed speed
of ImageExampleGen is the median over all rounds. A printed ratio is the median of the ratios in all
rounds, so it may differ slightly from the quotient of the two printed speeds. The speed of
ImageExampleGen covers only the second half of the images that each worker reads, because TensorFlow
builds graphs during the first half; separate rows show the time that the node takes to start and to
end. Two workers are compared with one worker in two ways: by wall-clock time, which is useful only
if two cores are free, and by the CPU time of the slower worker, as if each worker had a core of its
own. To measure the nodes up to Transform, the benchmark runs the pipeline on few images and on many
images, and divides the difference in the number of images by the difference in CPU time, so that
the fixed costs of a run cancel out.

`--images` is a folder of class folders with real JPEGs. The benchmark copies the JPEGs, and adds a
few bytes to each copy, so that no two copies are equal. Without `--images`, the benchmark generates
images.

decoders: CPU time for reading and decoding an image with TensorFlow, Pillow and (if pyvips is
installed) libvips, at full size and at an eighth of the width and height.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ingestion.decoders import BARE, measure_decoders
from benchmarks.ingestion.ingestion_alone import Ingestion, measure_ingestion
from benchmarks.ingestion.material import make_copies, make_small_images
from benchmarks.ingestion.watched_run import NodeUse, watch_run

_PARTS = ("memory", "speed", "decoders")
_NODES = ("ImageExampleGen", "StatisticsGen", "Transform", "Evaluator")


def main(arguments: list[str] | None = None) -> None:
    options = _parse(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if "memory" in options.parts:
            _print_memory(folder, options.counts, options.size, options.tune)
        if {"speed", "decoders"} & set(options.parts):
            folders = [_copy_images(folder, options.images, n) for n in options.speed_counts]
            if "decoders" in options.parts:
                _print_decoders(measure_decoders(folders[0]))
            if "speed" in options.parts:
                _print_speed(folder, folders, options.rounds)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=_PARTS, help=", ".join(_PARTS) + "; all")
    parser.add_argument(
        "--counts", type=int, nargs=2, default=(3000, 30000), help="numbers of images for `memory`"
    )
    parser.add_argument("--size", type=int, default=30000, help="bytes of each image for `memory`")
    parser.add_argument("--tune", nargs="+", default=("full", "head"), choices=("full", "head"))
    parser.add_argument("--speed-counts", type=int, nargs=2, default=(1000, 4000))
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds for `speed`")
    parser.add_argument("--images", type=Path, help="class folders of JPEGs, for `speed`")
    parser.add_argument("--work", type=Path, help="keep images, runs and logs in this folder")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(_PARTS):
        parser.error(f"{', '.join(unknown)}: expected some of {', '.join(_PARTS)}")
    return options


def _copy_images(folder: Path, images: Path | None, count: int) -> Path:
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


def _print_speed(folder: Path, folders: Sequence[Path], rounds: int) -> None:
    turns = [[_ingest(folder, folders[1], workers) for workers in (1, 2)] for _ in range(rounds)]
    ones, twos = zip(*turns, strict=True)
    print("images/s per core, and of a bare loop that reads and decodes")
    bare = statistics.median(one.bare_rate for one in ones)
    here = statistics.median(one.cpu_rate for one in ones)
    ratio = statistics.median(one.cpu_rate / one.bare_rate for one in ones)
    _row("ingestion", f"{here:.0f}", f"{bare:.0f}", ratio, ">= 0.7")

    def compare(name: str, figure: Callable[[Ingestion], float], digits: int, goal: str) -> None:
        """Prints the median of a figure with two workers and with one, and the median ratio."""
        figures = [statistics.median(map(figure, runs)) for runs in (twos, ones)]
        ratio = statistics.median(figure(two) / figure(one) for one, two in turns)
        _row(name, *(f"{value:.{digits}f}" for value in figures), ratio, goal)

    print("ingestion with two workers, and with one")
    compare("images/s by wall clock", lambda run: run.wall_rate, 0, ">= 1.7")
    compare("images/s, a free core for each", lambda run: run.free_rate, 0, ">= 1.7")
    compare("seconds of start and end", lambda run: run.fixed_wall, 1, "")
    compare("CPU seconds of start and end", lambda run: run.fixed_cpu, 1, "")
    written = ones[0].written
    read = sum(file.stat().st_size for file in folders[1].glob("*/*"))
    sizes = (f"{written / 1e6:.1f}", f"{read / 1e6:.1f}")
    _row("MB written and read", *sizes, written / read, "<= 1.0")
    print("images/s per core of whole runs, and of the bare loop")
    rate = _measure_rate_to_transform(folder, folders)
    _row("up to Transform", f"{rate:.0f}", f"{bare:.0f}", rate / bare, "")


def _ingest(folder: Path, images: Path, workers: int) -> Ingestion:
    output = folder / f"alone-{workers}"
    shutil.rmtree(output, ignore_errors=True)
    return measure_ingestion(images, output, workers)


def _measure_rate_to_transform(folder: Path, folders: Sequence[Path]) -> float:
    """Returns images per CPU second in the nodes up to Transform, without a run's fixed costs."""
    counts = [len(list(images.glob("*/*"))) for images in folders]
    runs = [_run(folder, images, "full", "Transform") for images in folders]
    few, many = (sum(run[node].cpu for node in _NODES[:3]) for run in runs)
    return (counts[1] - counts[0]) / (many - few)


def _row(name: str, one: str, other: str, ratio: float, goal: str) -> None:
    print(f"{name:32}{one:>10}{other:>10}{ratio:8.2f}  {goal}", flush=True)


def _run(folder: Path, images: Path, tune: str, last: str) -> dict[str, NodeUse]:
    name = f"{images.name}-{tune}"
    return watch_run(
        [
            *("--model", "vit_mini_fe", "--weights", "random", "--dataset", str(images)),
            *("--tune", tune, "--pipeline-root", str(folder / "runs" / name)),
            *("--set", "train.steps=2", "--set", "train.batch_size=16", "--min-accuracy", "0"),
            *("--set", "data.max_leak=1"),  # copies of an image are near duplicates
        ],
        folder / f"{name}.log",
        last,
    )


if __name__ == "__main__":
    main()
