"""Estimates how long a training will take, from the speed of its first steps."""

import dataclasses
import logging
from collections.abc import Iterator

from common.duration import describe_duration

logger = logging.getLogger(__name__)

# The speed of a training is measured over `_STEPS` steps or `_SECONDS` seconds, whichever ends
# first.
_STEPS, _SECONDS = 3, 20.0
_LONG, _VERY_LONG = 60.0, 600.0  # seconds
# A training step takes at least as long as three forward passes: for each matrix product in the
# forward pass, the backward pass computes two. A training step in bfloat16 took as long as 4.3
# forward passes (docs/performance.md).
_FORWARD_PASSES = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Forecast:
    """An estimate of the remaining time of a training.

    Attributes:
      images: number of images that the remaining steps read. An image that is read in three epochs
        counts three times.
      images_per_second: the speed of the training, measured in its first steps.
      devices: the devices in words, such as "2 CPU cores".
      head_seconds: an estimate of the time that `--tune head` would take on the same images; None
        if `--tune head` should not be recommended.
    """

    images: int
    images_per_second: float
    devices: str
    head_seconds: float | None = None

    @property
    def seconds(self) -> float:
        """The estimated remaining time in seconds, without the time for validation."""
        return self.images / self.images_per_second

    def describe(self) -> Iterator[str]:
        """Yields a text with the estimated time of the training.

        If `head_seconds` is not None, `describe` also yields a text that recommends `--tune head`.
        """
        yield (
            f"training takes about {describe_duration(self.seconds)} on {self.devices}: "
            f"{self.images:,} images at {self.images_per_second:.3g} images/s"
        )
        if self.head_seconds is not None:
            yield (
                f"without a GPU, --tune head is faster: about "
                f"{describe_duration(max(self.head_seconds, 60))}, since each image goes through "
                "the backbone only once"
            )


class Forecaster:
    """Measures the speed of the first steps, and logs one forecast if the training will take long.

    The log record has the attribute `forecast`, a Forecast, so that a console can show the forecast
    in its own format.
    """

    def __init__(self, *, tune: str, examples: int, devices: str, is_on_cpu: bool) -> None:
        """
        Args:
          tune: "full" or "head".
          examples: number of training images.
          devices: the devices in words.
          is_on_cpu: whether the devices are CPUs.
        """
        self._head_is_better = tune == "full" and is_on_cpu
        self._examples = examples
        self._devices = devices
        self._steps = 0
        self._seconds = 0.0
        self._is_over = False

    def add(self, steps: int, seconds: float, *, batch_size: int, steps_left: int) -> None:
        """Adds the measured duration of one or more steps.

        Args:
          steps: number of steps.
          seconds: the total duration of the added steps.
          batch_size: number of images in each step.
          steps_left: number of steps of the training that remain after the added steps.
        """
        self._steps += steps
        self._seconds += seconds
        if self._is_over or (self._steps < _STEPS and self._seconds < _SECONDS):
            return
        self._is_over = True
        speed = self._steps * batch_size / max(self._seconds, 1e-9)
        forecast = Forecast(
            images=steps_left * batch_size, images_per_second=speed, devices=self._devices
        )
        if forecast.seconds < _LONG:
            return
        if self._head_is_better and forecast.seconds >= _VERY_LONG:
            seconds = self._examples / speed / _FORWARD_PASSES
            forecast = dataclasses.replace(forecast, head_seconds=seconds)
        logger.info("%s", "; ".join(forecast.describe()), extra={"forecast": forecast})
