"""Learns from log records when nodes of a local run start and end, and shows their progress.

TFX's LocalDagRunner offers no hooks, so only its log records show when a node starts or ends.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import absl.logging

from common import termination
from pipeline.beam.count_images import count_read_images
from pipeline.report.console import Console
from pipeline.report.image_progress import ImageProgress

_NODE_LINE = re.compile(r"Component (\S+) is (running|finished)\.")
_TRAINER = ("trainer.training.progress", "trainer.training.forecast")


@contextmanager
def report_nodes_to(
    console: Console, is_cached: Callable[[str], bool], images: Mapping[str, int]
) -> Iterator[None]:
    """A context in which `console` shows when nodes start and end, and the Trainer's progress.

    Args:
      console: the console.
      is_cached: a function that gets the name of a node that has just ended, and returns whether
        the node took its outputs from an earlier run.
      images: for each node that counts its images, the number of images that the node will read.
    """
    image_progress = ImageProgress(console, images)
    listener = _Listener(console, is_cached, image_progress)
    loggers = [logging.getLogger(name) for name in ("absl", *_TRAINER)]
    level = loggers[1].level
    loggers[1].setLevel(logging.DEBUG)
    # Whenever TensorFlow saves a model, it resets the log level to the value that absl has stored,
    # so absl's own function must set the level.
    absl.logging.set_verbosity(absl.logging.INFO)
    for logger in loggers:
        logger.addHandler(listener)
    try:
        with (
            termination.call_before_end(listener.report_interrupted),
            image_progress,
            count_read_images(),
        ):
            yield
    except KeyboardInterrupt:
        listener.report_interrupted()
        raise
    except BaseException:
        if listener.running:
            console.node_failed(listener.running)
        raise
    finally:
        for logger in loggers:
            logger.removeHandler(listener)
        loggers[1].setLevel(level)


class _Listener(logging.Handler):
    def __init__(
        self, console: Console, is_cached: Callable[[str], bool], images: ImageProgress
    ) -> None:
        super().__init__()
        self._console = console
        self._is_cached = is_cached
        self._images = images
        self.running: str | None = None

    def report_interrupted(self) -> None:
        """Shows that the running node was interrupted."""
        if self.running:
            self._console.node_failed(self.running, interrupted=True)

    def emit(self, record: logging.LogRecord) -> None:
        progress = getattr(record, "progress", None)
        if progress is not None:
            self._console.progress(progress)
            return
        forecast = getattr(record, "forecast", None)
        if forecast is not None:
            self._console.forecast(forecast)
            return
        resumed = getattr(record, "resumed", None)
        if resumed is not None:
            self._console.print_resumed_step(resumed)
            return
        match = _NODE_LINE.fullmatch(record.getMessage())
        if match is None:
            return
        node, what = match.groups()
        if what == "running":
            termination.stop_here()
            self.running = node
            self._console.node_started(node)
            self._images.start(node)
        else:
            self.running = None
            self._images.stop()
            self._console.node_finished(node, cached=self._is_cached(node))
