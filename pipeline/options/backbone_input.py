"""The options of what a backbone expects."""

import dataclasses
from typing import Literal

from common.options import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackboneInput:
    """What a backbone expects beyond its SavedModel."""

    input_range: Literal["-1,1", "0,1", "0,255", "imagenet"] = option(
        "the pixel values that the backbone was trained on; imagenet: in [0, 1], less ImageNet's "
        "mean, divided by its deviation",
        default="-1,1",
    )
