"""What happens inside a local run, heard from its log records.

TFX's LocalDagRunner has no hooks but its log lines.
"""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import absl.logging

from pipeline.report.console import Console

_NODE_LINE = re.compile(r"Component (\S+) is (running|finished)\.")
_TRAINER = "trainer.training.progress"


@contextmanager
def report_nodes_to(console: Console, is_cached: Callable[[str], bool]) -> Iterator[None]:
    """Within it, nodes that start and end, and steps of the Trainer, are shown on `console`.

    Args:
      console: shows them.
      is_cached: whether a node that has just ended took its outputs from an earlier run.
    """
    listener = _Listener(console, is_cached)
    loggers = [logging.getLogger("absl"), logging.getLogger(_TRAINER)]
    level = loggers[1].level
    loggers[1].setLevel(logging.DEBUG)
    # By absl's own call: TensorFlow sets the level back to absl's idea of it whenever it saves.
    absl.logging.set_verbosity(absl.logging.INFO)
    for logger in loggers:
        logger.addHandler(listener)
    try:
        yield
    except BaseException as error:
        if listener.running:
            interrupted = isinstance(error, KeyboardInterrupt)
            console.node_failed(listener.running, interrupted=interrupted)
        raise
    finally:
        for logger in loggers:
            logger.removeHandler(listener)
        loggers[1].setLevel(level)


class _Listener(logging.Handler):
    def __init__(self, console: Console, is_cached: Callable[[str], bool]) -> None:
        super().__init__()
        self._console = console
        self._is_cached = is_cached
        self.running: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        progress = getattr(record, "progress", None)
        if progress is not None:
            self._console.progress(progress)
            return
        resumed = getattr(record, "resumed", None)
        if resumed is not None:
            self._console.resumed(resumed)
            return
        match = _NODE_LINE.fullmatch(record.getMessage())
        if match is None:
            return
        node, what = match.groups()
        if what == "running":
            self.running = node
            self._console.node_started(node)
        else:
            self.running = None
            self._console.node_finished(node, cached=self._is_cached(node))
