"""Shows the number of images that the running node has read.

This module does not import TensorFlow, which takes seconds to import.
"""

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from common import termination
from common.image_counts import VARIABLE, read_image_count
from common.pace import PaceMeter
from pipeline.report.console import Console

_INTERVAL = 1.0  # seconds between two updates of the progress


class ImageProgress:
    """Shows, while a node runs, how many images the node has read.

    A thread of this object reads the counts that the node's processes write with
    `common.image_counts`.
    """

    def __init__(self, console: Console, images: Mapping[str, int]) -> None:
        """
        Args:
          console: the console that shows the progress.
          images: for each node whose progress the console shows, the number of images that the node
            reads, in a dictionary by the name of the node.
        """
        self._console = console
        self._images = images
        self._thread: threading.Thread | None = None
        self._is_over = threading.Event()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            directory = tempfile.TemporaryDirectory(prefix="vit-image-counts-")
            self._directory = stack.enter_context(directory)
            stack.enter_context(termination.call_before_end(directory.cleanup))
            stack.callback(self.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stack.close()

    def start(self, node: str) -> None:
        """Starts to show the progress of a node."""
        self.stop()
        if not self._images.get(node):
            return
        # A process of the previous node may still be writing its count of images, so each node gets
        # a new directory for its counts.
        directory = tempfile.mkdtemp(dir=self._directory)
        os.environ[VARIABLE] = directory
        self._is_over = threading.Event()
        self._thread = threading.Thread(
            target=self._watch,
            args=(Path(directory), self._images[node], self._is_over),
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        """Stops showing the progress of the node."""
        os.environ.pop(VARIABLE, None)
        if self._thread is not None:
            self._is_over.set()
            self._thread.join()
            self._thread = None

    def _watch(self, directory: Path, total: int, is_over: threading.Event) -> None:
        meter = PaceMeter(total)
        while not is_over.wait(_INTERVAL):
            done = read_image_count(directory)
            pace = meter.add(time.monotonic(), done)
            if done:
                self._console.images(done, total, pace)
