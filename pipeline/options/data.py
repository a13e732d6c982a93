"""The options of the node DataCheck."""

import dataclasses
from typing import Literal

from common.options import FRACTION, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
    """The options of the node DataCheck, which looks for issues in the images before training."""

    check: Literal["fast", "full", "off"] = option(
        "checks of the images before the training: near duplicates, shortcuts and odd images "
        "(fast); also wrong labels and outliers by the backbone's features (full); or no check "
        "(off)",
        default="fast",
    )
    max_leak: float = option(
        "largest share of test images that look the same as an image of another split; above it, a "
        "run ends with status 3",
        default=0.2,
        check=FRACTION,
    )
    max_drift: float = option(
        "largest Jensen-Shannon divergence (0 to 1) between the class balance of the training "
        "images and of the champion's training images; a larger one is an anomaly",
        default=0.05,
        check=FRACTION,
    )
