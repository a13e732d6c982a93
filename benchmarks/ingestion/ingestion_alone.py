"""Measures ImageExampleGen in a new process, between two plain loops that decode its files.

python -m benchmarks.ingestion.ingestion_alone FOLDER OUTPUT WORKERS
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from common.image_counts import VARIABLE, read_counts_of_processes

_PROJECT = Path(__file__).resolve().parents[2]
_TICKS = os.sysconf("SC_CLK_TCK")
_BETWEEN_LOOKS = 0.02  # seconds between two readings of the workers' image counts
_BARE_IMAGES = 600  # a plain loop decodes at least this many images, or all images


class Worker(NamedTuple):
    """The number of images that a process read, and the time for the second half of these images.

    The first half of the images is not timed, because it includes the time in which the process
    builds a TensorFlow graph for its first image that is not a plain JPEG.

    Attributes:
      total: number of all images that the process read.
      images: number of images that were timed, about half of `total`.
      cpu: CPU time of all threads of the process for the second half of its images, in seconds.
      wall: wall-clock time of the process for the second half of its images, in seconds.
    """

    total: int
    images: int
    cpu: float
    wall: float


class Ingestion(NamedTuple):
    """How many images ImageExampleGen read, how long it took, and how many bytes it wrote.

    Attributes:
      bare_rate: images per CPU second of loops that only read and decode JPEGs, without the node.
      images: number of images that the node read.
      wall: wall-clock time of the node, in seconds.
      cpu: CPU time of the node's process and its workers, in seconds.
      written: size of the TFRecord files that the node wrote, in bytes.
      workers: one measurement for each process that read images.
    """

    bare_rate: float
    images: int
    wall: float
    cpu: float
    written: int
    workers: Sequence[Worker]

    @property
    def cpu_rate(self) -> float:
        """Images per CPU second while the workers read the second half of their images."""
        return sum(w.images for w in self.workers) / sum(w.cpu for w in self.workers)

    @property
    def wall_rate(self) -> float:
        """Images per second of all workers, while they read the second half of their images."""
        return sum(w.images / w.wall for w in self.workers)

    @property
    def free_rate(self) -> float:
        """Images per second that the workers would reach if each had a core of its own.

        If no worker had to wait for a core, the node would take as long as the CPU time of its
        slowest worker.
        """
        return self.images / max(w.total * w.cpu / w.images for w in self.workers)

    @property
    def fixed_wall(self) -> float:
        """Wall-clock seconds in which the node starts and ends, but reads no images."""
        return self.wall - self.images / self.wall_rate

    @property
    def fixed_cpu(self) -> float:
        """CPU seconds in which the node starts and ends, but reads no images."""
        return self.cpu - self.images / self.cpu_rate


def measure_ingestion(folder: Path, output: Path, workers: int) -> Ingestion:
    """Runs ImageExampleGen in a new process, and measures the CPU time of each of its workers.

    Each worker writes the number of images that it has read so far to a file (see
    `common.image_counts`).

    Args:
      folder: a folder with one folder of JPEGs for each class.
      output: a folder that does not exist.
      workers: the number of Beam's worker processes; if it is 1, the node reads the images in its
        own process.

    Raises:
      RuntimeError: the process failed.
    """
    log = output.with_name(f"{output.name}.log")
    command = [sys.executable, "-m", __name__, str(folder), str(output), str(workers)]
    with tempfile.TemporaryDirectory() as counts, log.open("w") as stderr:
        process = subprocess.Popen(
            command,
            cwd=_PROJECT,
            env=os.environ | {VARIABLE: counts},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        watched = _watch(process, Path(counts))
        assert process.stdout
        result = process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"ingestion failed: see {log}")
    written = sum(file.stat().st_size for file in output.glob("Split-*/*"))
    return Ingestion(**json.loads(result.splitlines()[-1]), written=written, workers=watched)


def _watch(process: subprocess.Popen, counts: Path) -> list[Worker]:
    """Polls the workers until `process` ends; returns each worker's image count and times."""
    seen: dict[int, list[tuple[int, float, float]]] = {}
    while process.poll() is None:
        for pid, count in read_counts_of_processes(counts).items():
            try:
                seen.setdefault(pid, []).append((count, _cpu(pid), time.monotonic()))
            except FileNotFoundError:  # the process has ended
                continue
        time.sleep(_BETWEEN_LOOKS)
    return [_second_half(records) for records in seen.values() if records[-1][0]]


def _second_half(records: Sequence[tuple[int, float, float]]) -> Worker:
    """Measures how long a worker took for the second half of its images.

    Args:
      records: the readings of the worker, oldest first. A reading consists of the number of images
        that the worker has read so far, its CPU time in seconds, and the clock time in seconds.
    """
    total = records[-1][0]
    first = next(record for record in records if record[0] >= total / 2)
    last = next(record for record in records if record[0] == total)
    return Worker(total, *(end - start for start, end in zip(first, last, strict=True)))


def _cpu(process: int) -> float:
    """Returns the CPU seconds of a process and all its threads (see proc(5))."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / _TICKS


def _ingest(folder: Path, output: Path, workers: int) -> dict[str, Any]:
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.types import standard_artifacts

    from components.image_example_gen.executor import Executor
    from components.image_example_gen.listing import Listing, write_listing
    from components.image_example_gen.sources.registry import make_source
    from pipeline.beam.engine import beam_arguments

    description = json.dumps({"kind": "folder", "path": str(folder)})
    source = make_source(description)
    images, listing = source.images(), str(output / "listing.jsonl")
    output.mkdir()
    write_listing(listing, Listing(source.classes(), images))
    flags = [f"--direct_num_workers={workers}", "--direct_running_mode=multi_processing"]
    artifact = standard_artifacts.Examples()
    artifact.uri = str(output)
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=list(beam_arguments(flags if workers > 1 else [])),
        tmp_dir=str(output / "tmp"),
        unique_id="1",
    )
    properties = {
        "source": description,
        "classes": json.dumps(source.classes()),
        "max_side": 1024,
        "max_pixels": 100_000_000,
        "max_value": 0,
        "split_by": "content",
        "source_fingerprint": "",
        "unread_notes": str(output / "unread"),
        "listing": listing,
    }
    files = [image.location for image in images[:: max(len(images) // _BARE_IMAGES, 1)]]
    _bare_loop(files[:20])  # warm up: the first call of the decoder takes longer
    bare = _bare_loop(files)
    wall, cpu = time.monotonic(), _cpu_with_children()
    Executor(context).Do({}, {"examples": [artifact]}, properties)
    wall, cpu = time.monotonic() - wall, _cpu_with_children() - cpu
    bare += _bare_loop(files)
    return {"bare_rate": 2 * len(files) / bare, "images": len(images), "wall": wall, "cpu": cpu}


def _bare_loop(files: Sequence[str]) -> float:
    """Reads and decodes images; returns the CPU seconds."""
    import tensorflow as tf

    from trainer.decoding.jpeg import DCT_METHOD

    start = time.process_time()
    for file in files:
        tf.io.decode_jpeg(Path(file).read_bytes(), channels=3, dct_method=DCT_METHOD)
    return time.process_time() - start


def _cpu_with_children() -> float:
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


if __name__ == "__main__":
    print(json.dumps(_ingest(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))
