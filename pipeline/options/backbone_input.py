"""The options that describe the images that a backbone expects as input."""

import dataclasses
from typing import Literal

from common.options import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackboneInput:
    """Options that describe a backbone's input images; the SavedModel lacks this information."""

    input_range: Literal["-1,1", "0,1", "0,255", "imagenet"] = option(
        "range of the pixel values that the backbone was trained with; imagenet: values in [0, 1], "
        "minus ImageNet's mean, divided by its standard deviation",
        default="-1,1",
    )
