"""Counts the images that the running node has read, in all its processes on this machine.

Each process that reads images writes its count to its own file in a directory of counts. The code
that displays the progress of a run creates the directory of counts and adds up the counts.
Processes on other machines are not counted, because they cannot write to the directory of counts on
this machine. Beam's worker processes get the path of the directory of counts from an environment
variable, which they inherit.
"""

import mmap
import os
import sys
import threading
from pathlib import Path

VARIABLE = "VIT_IMAGE_COUNTS"  # environment variable with the path of the counts directory
_BYTES = 8  # size of a count, which is stored as an integer in the machine's byte order
_ORDER = sys.byteorder


class _Count:
    """The number of images that this process has read for the running node.

    The process maps the file with its count into memory, so that the file always has the latest
    count, although each image costs only a write of 8 bytes to memory.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._node: tuple[str, int] | None = None  # the directory of the counts, and the process ID
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
    """Adds `images` to the count of this process, if the environment variable `VARIABLE` is set."""
    _count.add(images)


def read_image_count(directory: Path) -> int:
    """Returns the sum of the counts of all processes that write to `directory`."""
    return sum(read_counts_of_processes(directory).values())


def read_counts_of_processes(directory: Path) -> dict[int, int]:
    """Returns a dictionary from the ID of each process to the number of images that it counted."""
    return {
        int(file.stem): int.from_bytes(file.read_bytes(), _ORDER)
        for file in directory.glob("*.count")
    }


def _map_file(directory: Path) -> mmap.mmap | None:
    """Creates the file of this process, with the count 0, and maps it into memory.

    Returns None if the node has ended and the directory of the counts was deleted.
    """
    try:
        with (directory / f"{os.getpid()}.count").open("wb+") as file:
            file.truncate(_BYTES)
            return mmap.mmap(file.fileno(), _BYTES)
    except FileNotFoundError:
        return None
