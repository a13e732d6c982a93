"""What is downloaded before a run, heard from its log records. Imports no TensorFlow."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.console import Console

_DOWNLOAD = "trainer.download"


@contextmanager
def downloads_shown_on(console: Console) -> Iterator[None]:
    """Within it, how far a download is, is shown on `console`."""
    logger = logging.getLogger(_DOWNLOAD)
    level, listener = logger.level, _Listener(console)
    logger.setLevel(logging.DEBUG)
    logger.addHandler(listener)
    try:
        yield
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)


class _Listener(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        state = getattr(record, "download", None)
        if state is None:
            return
        if state.ended:
            self._console.download_finished(state.name, state.done)
        else:
            self._console.download(state.name, state.done, state.total)
