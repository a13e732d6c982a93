"""Compares a new model with the champion, the last blessed model, on the same images."""

import dataclasses

import numpy as np
import pyarrow as pa

from common.mcnemar import describe_p, mcnemar
from components.model_evaluator.limits import ROUNDING, right_answers
from components.model_evaluator.predictions import CHAMPION_PREFIX
from components.model_evaluator.settings import GateSettings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """The comparison of a new model with the champion.

    Attributes:
      accuracy: the accuracy of the new model, in [0, 1].
      champion_accuracy: the accuracy of the champion on the same images, in [0, 1].
      better: number of images that only the new model classifies correctly.
      worse: number of images that only the champion classifies correctly.
      p: two-sided p-value of McNemar's exact test, in [0, 1].
    """

    accuracy: float
    champion_accuracy: float
    better: int
    worse: int
    p: float

    @property
    def drop(self) -> float:
        """The champion's accuracy minus the accuracy of the new model."""
        return self.champion_accuracy - self.accuracy

    def is_refused(self, settings: GateSettings) -> bool:
        """Whether the gate refuses the model because its accuracy is too far below the champion's
        accuracy.

        If `drop_must_be_significant` is true, the gate refuses the model only if the drop in
        accuracy is also statistically significant.
        """
        if self.drop <= settings.max_drop + ROUNDING:
            return False
        # With a confidence of 0, there is no significance test: the gate refuses every model whose
        # accuracy drops by more than `max_drop`.
        needs_test = settings.drop_must_be_significant and settings.confidence > 0
        return not needs_test or self.p < 1 - settings.confidence

    def describe(self) -> str:
        """Returns the comparison in words."""
        images = "image" if self.better == 1 else "images"
        return f"better on {self.better} {images}, worse on {self.worse}, {describe_p(self.p)}"

    def reason(self, settings: GateSettings) -> str:
        """Returns in words why the gate refuses the model."""
        return (
            f"accuracy {self.accuracy:.4f} is {self.drop:.4f} below the last blessed model's "
            f"{self.champion_accuracy:.4f}; allowed {settings.max_drop:.4f} ({self.describe()})"
        )


def compare(table: pa.Table) -> Comparison | None:
    """Compares the predictions of the new model with those of the champion.

    Returns None if there is no champion.
    """
    if table[f"{CHAMPION_PREFIX}predicted"].null_count:
        return None
    new, champion = right_answers(table), right_answers(table, CHAMPION_PREFIX)
    better, worse = int((new & ~champion).sum()), int((champion & ~new).sum())
    return Comparison(
        accuracy=float(np.mean(new)),
        champion_accuracy=float(np.mean(champion)),
        better=better,
        worse=worse,
        p=mcnemar(better, worse),
    )
