"""Counts the images that the running node has read, in all processes of this machine.

The console of a run chooses a directory for the counts, and reads the counts there. Each process
that reads images keeps its own count in a file of the directory of counts. Processes on other
machines do not have the directory, and count nothing. An environment variable names the directory,
since this is the only way to pass it to Beam's worker processes.
"""

import os
import threading
import time
from pathlib import Path

VARIABLE = "VIT_IMAGE_COUNTS"  # the environment variable that names the directory
_INTERVAL = 0.3  # seconds between two writes of a count


class _Count:
    """The number of images that this process has read for the running node."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._directory: str | None = None
        self._images = 0
        self._written = 0.0

    def add(self, images: int) -> None:
        directory = os.environ.get(VARIABLE)
        if not directory:
            return
        with self._lock:
            if directory != self._directory:
                self._directory, self._images, self._written = directory, 0, 0.0
            self._images += images
            now = time.monotonic()
            if now - self._written < _INTERVAL:
                return
            self._written = now
            _write(Path(directory), self._images)


_count = _Count()


def count_images(images: int = 1) -> None:
    """Adds images to the count of this process, if the environment variable is set."""
    _count.add(images)


def read_image_count(directory: Path) -> int:
    """Returns the number of images that all processes counted in `directory`."""
    return sum(int(file.read_text()) for file in directory.glob("*.count"))


def _write(directory: Path, images: int) -> None:
    file = directory / f"{os.getpid()}.count"
    new = file.with_suffix(".new")
    try:
        new.write_text(str(images))
        new.replace(file)  # renaming ensures that no reader sees a part of the number
    except FileNotFoundError:  # the node has ended, and the directory of its counts was removed
        return
