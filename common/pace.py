"""Measures how many images per second are processed, and estimates the remaining time."""

import dataclasses
from collections import deque

_WINDOW = 60.0  # the speed is the mean over this number of seconds
_SETTLED = 2.0  # seconds of measurement before the first speed is reported


@dataclasses.dataclass(frozen=True)
class Pace:
    """The speed at which images are processed, and the remaining time.

    Attributes:
      images_per_second: the mean speed over the last minute.
      seconds_left: the estimated remaining time, if the speed stays the same.
    """

    images_per_second: float
    seconds_left: float


class PaceMeter:
    """Computes the speed from repeated counts of the finished images.

    The measurement begins only when the count increases for the second time, because the time
    before that includes the loading of libraries and models.
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
        """Adds a count of finished images; returns the pace, or None while the pace is unknown.

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
