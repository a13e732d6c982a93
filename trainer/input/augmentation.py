"""Which augmentations training images get; `trainer.input.augment` applies them.

Imports no TensorFlow.
"""

import dataclasses

from common.options import (
    FRACTION,
    MAGNITUDE,
    NOT_NEGATIVE,
    POSITIVE_FRACTION,
    WHOLE,
    option,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How training images are varied; each field is a key `augment.…` of the pipeline's.

    The defaults vary nothing. AugReg (Steiner et al., https://arxiv.org/abs/2106.10270; settings in
    big_vision/configs/vit_i1k.py) trained with `crop_area` 0.05, `flip`, and from "light1" to
    "strong2" with RandAugment of 2 layers at magnitude 0, 10, 15, 15, 20, 20 and `mixup` 0, 0.2,
    0.2, 0.5, 0.5, 0.8. timm's usual strengths are `color_jitter` 0.4, `erasing` 0.25, `mixup` 0.8
    and `cutmix` 1.
    """

    crop_area: float | None = option(
        "least area of the random crop, as a fraction of the image; null for no crop",
        default=None,
        check=POSITIVE_FRACTION,
    )
    flip: bool = option("mirror every other image, at random", default=False)
    randaugment_layers: int = option(
        "RandAugment: random operations on each image; 0 for none", default=0, check=WHOLE
    )
    randaugment_magnitude: float = option(
        "RandAugment: their strength, 0 to 30 (AugReg: up to 20)", default=10.0, check=MAGNITUDE
    )
    color_jitter: float = option(
        "brightness, contrast and saturation vary by this fraction; 0 for none",
        default=0.0,
        check=NOT_NEGATIVE,
    )
    erasing: float = option(
        "probability that a rectangle of an image is erased", default=0.0, check=FRACTION
    )
    mixup: float = option(
        "MixUp: alpha of its Beta distribution; 0 for none", default=0.0, check=NOT_NEGATIVE
    )
    cutmix: float = option(
        "CutMix: alpha of its Beta distribution; 0 for none", default=0.0, check=NOT_NEGATIVE
    )
