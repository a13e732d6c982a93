"""Measures how long a run takes to fingerprint a folder of images.

    python benchmarks/source_fingerprint.py [--files 100000] [--bytes 10000]

The benchmark creates a folder with `--files` files in 100 classes, and measures the time to
fingerprint the folder. The first time, the fingerprint function reads every file; later, it reads
only the size, times and inode of each file. The goal is that the fingerprint of an unchanged folder
takes at most 1 s per 100,000 files.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from components.image_example_gen.sources.folder import FolderSource

_CLASSES = 100
_ROUNDS = 5
_SETTLED = 4  # seconds before the first fingerprint: its index leaves out files younger than 3 s


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--bytes", type=int, default=10_000, help="size of a file")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        images, cache = Path(folder, "images"), Path(folder, "cache")
        _write(images, options.files, options.bytes)
        time.sleep(_SETTLED)

        def take_fingerprint() -> str:
            # Create a new FolderSource for each fingerprint, because a FolderSource lists its
            # folder only once.
            return FolderSource(str(images)).fingerprint(cache)

        first = _seconds(take_fingerprint)
        later = statistics.median(_seconds(take_fingerprint) for _ in range(_ROUNDS))
    print(f"{options.files:,} files of {options.bytes:,} bytes{'':12}{'seconds':>10}  goal")
    print(f"{'first fingerprint':40}{first:>10.2f}")
    goal = f"<= {options.files / 100_000:g}"
    print(f"{f'later fingerprint, median of {_ROUNDS}':40}{later:>10.2f}  {goal}")


def _write(folder: Path, files: int, size: int) -> None:
    for index in range(files):
        directory = folder / f"class_{index % _CLASSES:03}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"image_{index:08}.jpg").write_bytes(os.urandom(size))


def _seconds(function: Callable[[], object]) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
