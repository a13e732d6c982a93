"""The speed of work on images, and the remaining time."""

import dataclasses
from collections import deque

_WINDOW = 60.0  # seconds over which the mean speed is computed
_SETTLED = 2.0  # seconds of work before a speed is reported


@dataclasses.dataclass(frozen=True)
class Pace:
    """The speed of some work.

    Attributes:
      images_per_second: the mean speed over the last minute.
      seconds_left: the remaining time at this mean speed.
    """

    images_per_second: float
    seconds_left: float


class PaceMeter:
    """Measures the speed of work on images, from the numbers of finished images.

    The time before the second count is left out, since the process loads libraries and models until
    then, some of them when it processes the first images.
    """

    def __init__(self, total: int) -> None:
        """
        Args:
          total: number of images to process.
        """
        self._total = total
        self._skipped = 0
        self._last = 0
        self._counts: deque[tuple[float, int]] = deque()

    def add(self, now: float, done: int) -> Pace | None:
        """Adds a count; returns the pace, or None as long as the pace is unknown.

        Args:
          now: the present time in seconds.
          done: number of finished images, at least as large as in the previous call.
        """
        if done > self._last:
            self._last = done
            self._skipped += 1
        if self._skipped < 2:
            return None
        self._counts.append((now, done))
        while self._counts[-1][0] - self._counts[0][0] > _WINDOW:
            self._counts.popleft()
        begin, first = self._counts[0]
        if now - begin < _SETTLED or done == first:
            return None
        speed = (done - first) / (now - begin)
        return Pace(speed, max(self._total - done, 0) / speed)
