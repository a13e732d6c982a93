"""How far a download is, heard from its log records, for somebody to see. Imports no TensorFlow."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

import rich.console
import rich.progress

_LOGGER = "trainer.download"


class Display(Protocol):
    """Shows downloads."""

    def download(self, name: str, done: int, total: int | None) -> None:
        """Of a download of `total` bytes, if that is known, `done` are there."""

    def download_finished(self, name: str, size: int) -> None:
        """A download of `size` bytes has ended well."""


@contextmanager
def downloads_shown_on(display: Display) -> Iterator[None]:
    """Within it, how far a download is, is shown on `display`."""
    logger = logging.getLogger(_LOGGER)
    level, listener = logger.level, _Listener(display)
    logger.setLevel(logging.DEBUG)
    logger.addHandler(listener)
    try:
        yield
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)


class _Listener(logging.Handler):
    def __init__(self, display: Display) -> None:
        super().__init__()
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        state = getattr(record, "download", None)
        if state is None:
            return
        if state.ended:
            self._display.download_finished(state.name, state.done)
        else:
            self._display.download(state.name, state.done, state.total)


@contextmanager
def downloads_shown(screen: TextIO) -> Iterator[None]:
    """Within it, a download is a bar on a terminal, and elsewhere a line at its end."""
    console = rich.console.Console(file=screen, highlight=False, soft_wrap=True)
    columns = (
        rich.progress.TextColumn("downloading {task.description}"),
        rich.progress.BarColumn(bar_width=24),
        rich.progress.DownloadColumn(),
        rich.progress.TransferSpeedColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    progress = rich.progress.Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    )
    with progress, downloads_shown_on(_Bars(progress)):
        yield


class _Bars:
    def __init__(self, progress: rich.progress.Progress) -> None:
        self._progress = progress
        self._bars: dict[str, rich.progress.TaskID] = {}

    def download(self, name: str, done: int, total: int | None) -> None:
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(name)
        self._progress.update(self._bars[name], completed=done, total=total)

    def download_finished(self, name: str, size: int) -> None:
        if name in self._bars:
            self._progress.remove_task(self._bars.pop(name))
        self._progress.console.print(f"downloaded {name}: {size / 1e6:.1f} MB", markup=False)
