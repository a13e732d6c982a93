"""Shows on the console how downloads progress, and which file this process is waiting for.

This module does not import TensorFlow, which takes seconds to import.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import rich.console
import rich.progress

import common.lock
from backbones.download.transfer import logger
from common.progress_display import BAR_WIDTH, make_bars
from common.text import make_printable


@contextmanager
def show_downloads(console: rich.console.Console) -> Iterator[None]:
    """A context in which the console shows each download.

    A terminal shows a progress bar. If the console is not a terminal, it prints one line at the
    start and one line at the end of each download. If this process has to wait for a file that
    another process is writing, the console prints a line with the name of this file.
    """
    bars = make_bars(
        console,
        rich.progress.TextColumn("downloading {task.description}", markup=False),
        rich.progress.BarColumn(bar_width=BAR_WIDTH),
        rich.progress.DownloadColumn(),
        rich.progress.TransferSpeedColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    listener = _Listener(bars)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(listener)
    common.lock.logger.addHandler(listener)
    try:
        with bars:
            yield
    finally:
        logger.removeHandler(listener)
        common.lock.logger.removeHandler(listener)
        logger.setLevel(level)


class _Listener(logging.Handler):
    """Updates progress bars from log records, and prints which file this process is waiting for."""

    def __init__(self, bars: rich.progress.Progress) -> None:
        super().__init__()
        self._bars = bars
        self._tasks: dict[str, rich.progress.TaskID] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, "waits_for"):
            self._print(make_printable(record.getMessage()))
            return
        state = getattr(record, "download", None)
        if state is None:
            return
        name = make_printable(state.name)
        begins = state.name not in self._tasks
        if begins:
            self._tasks[state.name] = self._bars.add_task(name)
        self._bars.update(self._tasks[state.name], completed=state.done, total=state.total)
        if state.ended:
            self._bars.remove_task(self._tasks.pop(state.name))
        if state.ended or (begins and not self._bars.console.is_terminal):
            size = "" if state.total is None else f": {state.total / 1e6:.1f} MB"
            self._print(f"{'downloaded' if state.ended else 'downloading'} {name}{size}")

    def _print(self, line: str) -> None:
        self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)
