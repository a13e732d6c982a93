"""Measures the images for the data check.

This module loads quickly, because it imports neither TensorFlow nor TFX.
"""

import dataclasses
import io
from pathlib import PurePosixPath

import numpy as np
import PIL.Image

from components.data_check.views import Views, make_views

LEAST_SIDE = 32  # pixels; smaller images are not compared, because many tiny images look alike
_WORK_SIDE = 256  # pixels; larger images are scaled down before they are measured


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ImageRecord:
    """The measured values of an image, from which the data check finds issues.

    Attributes:
      file_name: the name of the image in the source.
      split: the split of the image.
      label: the index of the image's class.
      views: the versions of the image by which near duplicates are found (see
        `components.data_check.views`); None for an image with a side of less than 32 pixels.
      width: the width of the image in pixels.
      height: the height of the image in pixels.
      suffix: extension of the file name in lower case, without the dot; empty if the file name has
        no extension.
      brightness: mean of the grey values, in [0, 1].
      contrast: standard deviation of the grey values, in [0, 1].
      sharpness: variance of the Laplacian of the grey values, after large images are scaled down to
        256 pixels.
    """

    file_name: str
    split: str
    label: int
    views: Views | None
    width: int
    height: int
    suffix: str
    brightness: float
    contrast: float
    sharpness: float


def measure_image(encoded: bytes, *, file_name: str, split: str, label: int) -> ImageRecord:
    """Measures an encoded image that ImageExampleGen wrote: an upright RGB JPEG."""
    (width, height), grey = _decode_grey(encoded)
    values = np.asarray(grey, np.float32) / 255
    return ImageRecord(
        file_name=file_name,
        split=split,
        label=label,
        views=make_views(grey) if min(width, height) >= LEAST_SIDE else None,
        width=width,
        height=height,
        suffix=PurePosixPath(file_name).suffix.lower().lstrip("."),
        brightness=float(values.mean()),
        contrast=float(values.std()),
        sharpness=_sharpness(values),
    )


def measure_views(encoded: bytes) -> Views | None:
    """Returns the views of an encoded image; None if a side is below 32 pixels.

    The views are the whole image, several crops, and the mirror image.
    """
    size, grey = _decode_grey(encoded)
    return make_views(grey) if min(size) >= LEAST_SIDE else None


def _decode_grey(encoded: bytes) -> tuple[tuple[int, int], PIL.Image.Image]:
    """Returns width and height of an image, and a grey copy of at most 256 x 256 pixels."""
    with PIL.Image.open(io.BytesIO(encoded)) as image:
        size = image.size
        # `draft` makes libjpeg decode the image at a fraction of its size, which is faster than
        # decoding it at full size.
        image.draft("L", (_WORK_SIDE, _WORK_SIDE))
        grey = image.convert("L")
    grey.thumbnail((_WORK_SIDE, _WORK_SIDE))
    return size, grey


def _sharpness(values: np.ndarray) -> float:
    """Returns the variance of the Laplacian, which is small for a blurred image.

    Source: Pech-Pacheco et al., 2000.
    """
    if min(values.shape) < 3:
        return 0.0
    centre = values[1:-1, 1:-1]
    around = values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:]
    return float((around - 4 * centre).var())
