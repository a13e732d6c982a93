"""The gate's verdict on a model, computed from the table of predictions."""

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from common.text import list_first
from components.model_evaluator.comparison import Comparison, compare
from components.model_evaluator.limits import ROUNDING, Limit, measure_limits
from components.model_evaluator.settings import GateSettings

FILE = "gate.json"  # the file with the verdict in the ModelEvaluation artifact
# The least number of classes for which top-5 accuracy is reported.
CLASSES_FOR_TOP5 = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """The verdict of the gate.

    Attributes:
      reasons: the reasons why the model is not blessed, one line each; empty if it is blessed.
      warnings: reasons to doubt the verdict, such as a class without test images, one line each.
      limits: the limits of the gate, with the measured values.
      comparison: the comparison with the champion; None if there is no champion.
      top5: the share of test images whose class is among the five most probable classes; None for
        fewer than ten classes.
    """

    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    limits: tuple[Limit, ...]
    comparison: Comparison | None
    top5: float | None

    @property
    def blessed(self) -> bool:
        """Whether the model is blessed."""
        return not self.reasons

    def write(self, evaluation: str) -> None:
        """Writes the verdict into the ModelEvaluation artifact at the URI `evaluation`."""
        with tf.io.gfile.GFile(f"{evaluation}/{FILE}", "w") as stream:
            stream.write(json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False))

    @classmethod
    def read(cls, evaluation: str) -> "Verdict":
        """Reads the verdict from the ModelEvaluation artifact at the URI `evaluation`."""
        with tf.io.gfile.GFile(f"{evaluation}/{FILE}") as stream:
            values: dict[str, Any] = json.loads(stream.read())
        comparison = values["comparison"]
        return cls(
            reasons=tuple(values["reasons"]),
            warnings=tuple(values["warnings"]),
            limits=tuple(Limit(**limit) for limit in values["limits"]),
            comparison=comparison and Comparison(**comparison),
            top5=values["top5"],
        )


def judge(
    table: pa.Table,
    classes: Sequence[str],
    source_images: Sequence[int],
    settings: GateSettings,
) -> Verdict:
    """Decides whether the gate blesses the new model.

    Args:
      table: the table of predictions.
      classes: the class names, in the order of the models' outputs.
      source_images: the number of images of each class in the source, in all splits together.
      settings: the conditions of the gate.
    """
    if not table.num_rows:
        return Verdict(
            reasons=("the split test has no image",),
            warnings=(),
            limits=(),
            comparison=None,
            top5=None,
        )
    limits = tuple(measure_limits(table, classes, settings))
    comparison = compare(table)
    reasons = [limit.reason() for limit in limits if not limit.is_met]
    test_images = Counter(table["label"].to_pylist())
    few = [
        f"{name} ({test_images[name]} of {images})"
        for name, images in zip(classes, source_images, strict=True)
        if images and test_images[name] < settings.min_test_images
    ]
    absent = [name for name in classes if not test_images[name]]
    warnings = []
    if few and settings.min_class_recall is not None:
        reasons.append(
            f"fewer test images than gate.min_test_images={settings.min_test_images}: "
            f"{', '.join(few)}"
        )
    elif few and settings.min_test_images > 1:
        warnings.append(
            f"fewer test images than gate.min_test_images={settings.min_test_images}: "
            f"{list_first(few)}"
        )
    if absent:
        warnings.append(
            f"no test image of {list_first(absent)}: the recall of these classes is unknown"
        )
    if comparison is not None and comparison.is_refused(settings):
        reasons.append(comparison.reason(settings))
    elif comparison is not None and comparison.drop > settings.max_drop + ROUNDING:
        warnings.append(
            f"accuracy is {comparison.drop:.4f} below the last blessed model's, which is not "
            f"significant: {comparison.describe()}"
        )
    return Verdict(
        reasons=tuple(reasons),
        warnings=tuple(warnings),
        limits=limits,
        comparison=comparison,
        top5=_top5(table) if len(classes) >= CLASSES_FOR_TOP5 else None,
    )


def _top5(table: pa.Table) -> float:
    """Returns the top-5 accuracy, in [0, 1]."""
    ranks = table["rank"].fill_null(np.iinfo(np.int32).max).to_numpy()
    return float(np.mean(ranks <= 5))
