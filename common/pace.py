"""The speed of some work, and the time that it still takes."""

import dataclasses
from collections import deque

_WINDOW = 60.0  # seconds: the speed is the mean over this time
_SETTLED = 2.0  # seconds of work after which a speed is known


@dataclasses.dataclass(frozen=True)
class Pace:
    """A speed.

    Attributes:
      images_per_second: the speed over the last time.
      seconds_left: the remaining time at that speed.
    """

    images_per_second: float
    seconds_left: float


class PaceMeter:
    """Measures the pace of work on images from the number of images that are done.

    The time before the second count does not belong to the speed: libraries and models are loaded
    then, some of them with the first images.
    """

    def __init__(self, total: int) -> None:
        """
        Args:
          total: number of images of the whole work.
        """
        self._total = total
        self._skipped = 0
        self._last = 0
        self._counts: deque[tuple[float, int]] = deque()

    def add(self, now: float, done: int) -> Pace | None:
        """Adds a count; returns the pace, or None as long as it is unknown.

        Args:
          now: a time in seconds.
          done: number of images done by then, at least that of the call before.
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
