"""The options of the data check."""

import dataclasses
from typing import Literal

from common.options import FRACTION, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
    """The options of the data check, which looks for issues in the images before the training."""

    check: Literal["fast", "off"] = option(
        "look for near duplicates, shortcuts and odd images before the training (fast), or not "
        "(off)",
        default="fast",
    )
    max_leak: float = option(
        "largest share of test images that look the same as an image of another split; a run with "
        "more ends with status 3",
        default=0.2,
        check=FRACTION,
    )
