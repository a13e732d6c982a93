"""The options of the gate."""

import dataclasses

from common.options import FRACTION, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gate:
    """The conditions on the test split under which a model is blessed."""

    min_accuracy: float = option(
        "required accuracy (default: the recipe's for AugReg's weights, else 0.5)",
        default=0.5,
        check=FRACTION,
    )
    min_class_recall: float | None = option(
        "required recall of every class; null for no requirement", default=None, check=FRACTION
    )
    max_ece: float | None = option(
        "greatest expected calibration error; null for none", default=None, check=FRACTION
    )
    min_coverage: float | None = option(
        "least share of test images whose answer is accepted, see serve.precision; null for none",
        default=None,
        check=FRACTION,
    )
    max_drop: float = option(
        "largest allowed drop in accuracy from the last blessed model",
        default=0.0,
        check=FRACTION,
    )
