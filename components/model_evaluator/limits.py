"""The limits of the gate, and the measured values that the gate compares with its limits."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from common.interval import images_needed, wilson_lower_bound
from components.model_evaluator.settings import GateSettings
from trainer.serving.calibration import calibration_bins, expected_calibration_error

# The tolerance for rounding errors when a measured value is compared with its limit. A value equal
# to its limit is within the limit.
ROUNDING = 1e-6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limit:
    """A limit of the gate, and the value that was measured for it.

    Attributes:
      name: the name of the metric, such as "accuracy" or "recall of roses".
      value: the measured value, in [0, 1].
      bound: the number that is compared with `limit`: for accuracy and recall, the lower end of
        Wilson's interval if `confidence` is above 0; otherwise `value`.
      limit: the least allowed value, or, if `is_ceiling`, the greatest allowed value.
      images: number of images on which the value was measured.
      confidence: the one-sided confidence of `bound`, in [0, 1); 0 if `bound` is `value`.
      is_ceiling: whether `limit` is the greatest allowed value, and not the least.
    """

    name: str
    value: float
    bound: float
    limit: float
    images: int
    confidence: float = 0.0
    is_ceiling: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the value is within the limit."""
        if self.is_ceiling:
            return self.bound <= self.limit + ROUNDING
        return self.bound >= self.limit - ROUNDING

    @property
    def _percent(self) -> str:
        return f"{100 * self.confidence:g} %"

    @property
    def images_needed(self) -> int | None:
        """The least number of images that a model without any wrong prediction needs to reach the
        limit; None if no number of images is enough.
        """
        return images_needed(self.limit, self.confidence)

    def describe(self) -> str:
        """Returns the value and the limit in words."""
        if self.is_ceiling:
            return f"{self.name} {self.value:.4f}, at most {self.limit:.4f} is required"
        if not self.confidence:
            return f"{self.name} {self.value:.4f}, at least {self.limit:.4f} is required"
        return (
            f"{self.name} {self.value:.4f} on {_count(self.images)}, with {self._percent} "
            f"confidence at least {self.bound:.4f}; {self.limit:.4f} is required"
        )

    def reason(self) -> str:
        """Returns a text that says by how much the value misses the limit."""
        if self.is_ceiling:
            by = self.bound - self.limit
            return f"{self.name} {self.value:.4f} is {by:.4f} above {self.limit:.4f}"
        by = self.limit - self.bound
        if not self.confidence:
            return f"{self.name} {self.value:.4f} is {by:.4f} below {self.limit:.4f}"
        text = (
            f"{self.name} {self.value:.4f} on {_count(self.images)} is, with {self._percent} "
            f"confidence, at least {self.bound:.4f}, which is {by:.4f} below {self.limit:.4f}"
        )
        needed = self.images_needed
        if needed is None:
            return (
                f"{text} (no number of images is enough for 1.0; gate.confidence=0 compares values)"
            )
        if needed > self.images:
            return f"{text} (even if all answers are right, at least {needed} images are needed)"
        return text


def measure_limits(
    table: pa.Table, classes: Sequence[str], settings: GateSettings
) -> Iterator[Limit]:
    """Yields each limit that `settings` sets, with the value that was measured for the new model.

    For a class without test images, recall is undefined, so the function yields no limit for that
    class.

    Args:
      table: the table of predictions, with at least one row.
      classes: the class names.
      settings: the conditions of the gate.
    """
    is_right = right_answers(table)
    images = len(is_right)
    yield _floor("accuracy", is_right, settings.min_accuracy, settings.confidence)
    if settings.min_class_recall is not None:
        labels = np.asarray(table["label"])
        for name in classes:
            of_class = is_right[labels == name]
            if len(of_class):
                yield _floor(
                    f"recall of {name}", of_class, settings.min_class_recall, settings.confidence
                )
    if settings.max_ece is not None:
        error = expected_calibration_error(
            calibration_bins(table["probability"].to_numpy(), is_right)
        )
        yield Limit(
            name="expected calibration error",
            value=error,
            bound=error,
            limit=settings.max_ece,
            images=images,
            is_ceiling=True,
        )
    if settings.min_coverage is not None:
        share = float(np.mean(table["accepted"].to_numpy()))
        yield Limit(
            name="coverage", value=share, bound=share, limit=settings.min_coverage, images=images
        )


def right_answers(table: pa.Table, prefix: str = "") -> np.ndarray:
    """For each prediction, returns whether it is correct, bool [N].

    Args:
      table: the table of predictions.
      prefix: the prefix of the model's column names: empty for the new model, `CHAMPION_PREFIX` for
        the champion.
    """
    return np.asarray(table[f"{prefix}predicted"]) == np.asarray(table["label"])


def _floor(name: str, is_right: np.ndarray, floor: float, confidence: float) -> Limit:
    hits, images = int(is_right.sum()), len(is_right)
    value = hits / images
    return Limit(
        name=name,
        value=value,
        bound=wilson_lower_bound(hits, images, confidence) if confidence else value,
        limit=floor,
        images=images,
        confidence=confidence,
    )


def _count(images: int) -> str:
    return "1 image" if images == 1 else f"{images} images"
