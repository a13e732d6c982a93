"""The ranges of pixel values that backbones are trained on."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

# Mean and standard deviation of pixel values in [0, 1], for red, green and blue. The backbone gets
# (pixel - mean) / deviation. The entry "imagenet" has the usual values of torchvision and timm.
INPUT_RANGES = {
    "-1,1": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "0,1": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "0,255": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
# The range [-1, 1], which the backbone contract (`backbones.contract`) prescribes, and which the
# models of the TF-Hub collection and of AugReg use.
DEFAULT_RANGE = "-1,1"


def to_input_range(images: "tf.Tensor", input_range: str) -> "tf.Tensor":
    """Scales pixel values to the range that a backbone expects.

    Args:
      images: float32 [B, H, W, 3] in [-1, 1].
      input_range: a key of `INPUT_RANGES`.

    Returns:
      float32 [B, H, W, 3]; for the default range, [-1, 1], the unchanged `images`.
    """
    if input_range == DEFAULT_RANGE:
        return images
    mean, deviation = INPUT_RANGES[input_range]
    scale = [0.5 / d for d in deviation]
    offset = [(0.5 - m) / d for m, d in zip(mean, deviation, strict=True)]
    return images * scale + offset
