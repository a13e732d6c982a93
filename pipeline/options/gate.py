"""The options of the gate, which decides whether Evaluator blesses a model."""

import dataclasses

from common.options import FRACTION, WHOLE, Check, option

CONFIDENCE = Check(
    "0, or a number from 0.5 to below 1", lambda value: value == 0 or 0.5 <= value < 1
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gate:
    """The conditions that a model must meet on the test split to be blessed."""

    min_accuracy: float = option(
        "required accuracy; see gate.confidence (default: the recipe's for AugReg's weights and "
        "for vit_mini, else 0.5)",
        default=0.5,
        check=FRACTION,
    )
    min_class_recall: float | None = option(
        "required recall of every class; see gate.confidence; null for no requirement",
        default=None,
        check=FRACTION,
    )
    max_ece: float | None = option(
        "largest allowed expected calibration error; null for no limit",
        default=None,
        check=FRACTION,
    )
    min_coverage: float | None = option(
        "required share of test images whose prediction is accepted, see serve.precision; null for "
        "no requirement",
        default=None,
        check=FRACTION,
    )
    max_drop: float = option(
        "largest allowed drop in accuracy from the last blessed model",
        default=0.0,
        check=FRACTION,
    )
    drop_must_be_significant: bool = option(
        "refuse a larger drop only if McNemar's exact test finds p below 1 - gate.confidence; "
        "false refuses every larger drop",
        default=True,
    )
    confidence: float = option(
        "one-sided confidence with which accuracy and recall must reach their floors: the lower "
        "end of Wilson's interval is compared; 0 compares the measured values",
        default=0.95,
        check=CONFIDENCE,
    )
    min_test_images: int = option(
        "required number of test images of each class that has images; with fewer test images, a "
        "model is refused if gate.min_class_recall is given, otherwise there is a warning",
        default=1,
        check=WHOLE,
    )
