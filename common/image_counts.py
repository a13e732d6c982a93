"""Counts the images that the running node has read, in all processes of this machine.

The console of a run chooses a directory for the counts, and reads the counts there. Each process
that reads images keeps its own count in its own file in that directory. Processes on other machines
do not have the directory, and count nothing. An environment variable names the directory, since
this is the only way to pass it to Beam's worker processes.
"""

import mmap
import os
import sys
import threading
from pathlib import Path

VARIABLE = "VIT_IMAGE_COUNTS"  # environment variable that names the directory of the counts
_BYTES = 8  # size of a count in its file, an integer in the machine's byte order
_ORDER = sys.byteorder


class _Count:
    """The number of images that this process has read for the running node.

    The file of the count is mapped into memory. So the file always has the latest count, and each
    image costs only a write of 8 bytes to memory.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._node: tuple[str, int] | None = None  # directory of the counts, and id of the process
        self._images = 0
        self._file: mmap.mmap | None = None

    def add(self, images: int) -> None:
        directory = os.environ.get(VARIABLE)
        if not directory:
            return
        with self._lock:
            if self._node != (directory, os.getpid()):
                self._node = directory, os.getpid()
                self._images = 0
                self._file = _map_file(Path(directory))
            self._images += images
            if self._file is not None:
                self._file[:] = self._images.to_bytes(_BYTES, _ORDER)


_count = _Count()


def count_images(images: int = 1) -> None:
    """Adds images to the count of this process, if the environment variable is set."""
    _count.add(images)


def read_image_count(directory: Path) -> int:
    """Returns the number of images that all processes counted in `directory`."""
    return sum(read_counts_of_processes(directory).values())


def read_counts_of_processes(directory: Path) -> dict[int, int]:
    """Returns the number of images that each process counted in `directory`, by process ID."""
    return {
        int(file.stem): int.from_bytes(file.read_bytes(), _ORDER)
        for file in directory.glob("*.count")
    }


def _map_file(directory: Path) -> mmap.mmap | None:
    """Creates the file of this process, with the count 0, and maps it into memory.

    Returns None if the directory is missing because the node has ended.
    """
    try:
        with (directory / f"{os.getpid()}.count").open("wb+") as file:
            file.truncate(_BYTES)
            return mmap.mmap(file.fileno(), _BYTES)
    except FileNotFoundError:
        return None
