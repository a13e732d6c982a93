"""Shows progress: as a bar if the output is a terminal, and as printed lines otherwise."""

import datetime
import time
from collections.abc import Callable

import rich.console
import rich.progress

from common.pace import Pace

BAR_WIDTH = 24  # characters
_BETWEEN_LINES = 30.0  # shortest time between two printed lines, in seconds


def make_bars(
    console: rich.console.Console, *columns: rich.progress.ProgressColumn
) -> rich.progress.Progress:
    """Returns progress bars, which show nothing if `console` is not a terminal."""
    return rich.progress.Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
        # Rich would redirect stdout and stderr, and print the output of libraries above the bars,
        # but the output of libraries belongs in the log.
        redirect_stdout=False,
        redirect_stderr=False,
    )


def describe_images(done: int, total: int, pace: Pace | None) -> str:
    """Returns a text such as `120 of 3,670 images, 12 images/s, 0:04:55 left`."""
    return ", ".join([f"{done:,} of {total:,} images", *describe_pace(pace)])


def describe_pace(pace: Pace | None) -> list[str]:
    """Returns the speed and the remaining time in words; an empty list if they are unknown."""
    if pace is None:
        return []
    left = datetime.timedelta(seconds=round(pace.seconds_left))
    return [f"{pace.images_per_second:.3g} images/s", f"{left} left"]


class ProgressDisplay:
    """Shows the progress of one task at a time."""

    def __init__(
        self,
        console: rich.console.Console,
        print_line: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
          console: the output of the program: a terminal, a pipe or a file.
          print_line: a function that prints a line; used if the console is not a terminal.
          clock: a function that returns the time in seconds.
        """
        # The bars are shown while the caller uses `bars` as a context manager.
        self.bars = make_bars(
            console,
            rich.progress.SpinnerColumn(),
            rich.progress.TextColumn("{task.description}", markup=False),
            rich.progress.BarColumn(bar_width=BAR_WIDTH),
            rich.progress.TextColumn("{task.fields[detail]}", markup=False),
            rich.progress.TimeElapsedColumn(),
        )
        self._is_terminal = console.is_terminal
        self._print_line = print_line
        self._clock = clock
        self._task: rich.progress.TaskID | None = None
        self._printed = 0.0
        self._percent = 0

    def begin(self, name: str) -> None:
        """Starts showing the task `name`, and stops showing the previous task."""
        self.end()
        self._printed, self._percent = self._clock(), 0
        if self._is_terminal:
            self._task = self.bars.add_task(name, total=None, detail="")

    def end(self) -> None:
        """Stops showing the current task."""
        if self._task is not None:
            self.bars.remove_task(self._task)
            self._task = None

    def show(self, done: int, total: int, detail: str) -> None:
        """Updates the progress of the current task.

        Args:
          done: the number of finished items, such as images or training steps.
          total: the number of all items.
          detail: the text that is printed as a line, or shown next to the bar.
        """
        if self._is_terminal:
            if self._task is not None:
                self.bars.update(self._task, completed=done, total=total, detail=detail)
            return
        now, percent = self._clock(), 100 * done // total
        # Print a line only if the percentage of finished items has increased, so that a long
        # training prints at most a hundred lines.
        if now - self._printed >= _BETWEEN_LINES and percent > self._percent:
            self._printed, self._percent = now, percent
            self._print_line(f"  {detail}")
