"""The settings of augmentation, which `trainer.input.augment` applies to training images.

This module does not import TensorFlow, which takes seconds to import.
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
    """The settings of augmentation.

    Each field is an option of the pipeline. For example, `mixup` is the option `augment.mixup`.

    The defaults leave images as they are. AugReg (Steiner et al., https://arxiv.org/abs/2106.10270;
    settings in big_vision/configs/vit_i1k.py) trained with `crop_area` 0.05 and `flip`. AugReg's
    six strengths from "light1" to "strong2" use RandAugment with 2 layers at the magnitudes 0, 10,
    15, 15, 20 and 20, and `mixup` 0, 0.2, 0.2, 0.5, 0.5 and 0.8. timm's usual strengths are
    `color_jitter` 0.4, `erasing` 0.25, `mixup` 0.8 and `cutmix` 1.
    """

    crop_area: float | None = option(
        "smallest area of the random crop, as a fraction of the image; null for no crop",
        default=None,
        check=POSITIVE_FRACTION,
    )
    flip: bool = option("mirror each image left to right with probability 1/2", default=False)
    randaugment_layers: int = option(
        "RandAugment: number of random operations on each image; 0 for none",
        default=0,
        check=WHOLE,
    )
    randaugment_magnitude: float = option(
        "RandAugment: strength of the operations, 0 to 30 (AugReg: up to 20)",
        default=10.0,
        check=MAGNITUDE,
    )
    color_jitter: float = option(
        "brightness, contrast and saturation vary by up to this fraction; 0 for no variation",
        default=0.0,
        check=NOT_NEGATIVE,
    )
    erasing: float = option(
        "random erasing: probability that a rectangle of an image is erased",
        default=0.0,
        check=FRACTION,
    )
    mixup: float = option(
        "MixUp: alpha of its Beta distribution; 0 for no MixUp", default=0.0, check=NOT_NEGATIVE
    )
    cutmix: float = option(
        "CutMix: alpha of its Beta distribution; 0 for no CutMix", default=0.0, check=NOT_NEGATIVE
    )
