"""Measures the images for the fast data check. This module imports neither TensorFlow nor TFX."""

import dataclasses
import io
from collections.abc import Iterator
from pathlib import PurePosixPath

import imagehash
import numpy as np
import PIL.Image
import PIL.ImageOps

SIDE = 24  # pixels: side of the small grey images by which pairs are compared
LEAST_SIDE = 32  # pixels: smaller images of one class look alike, and are not compared
_WORK_SIDE = 256  # pixels: images are measured at this size
# Shares of an image that a crop removes on the left, upper, right and lower side. A near duplicate
# is searched among these crops. Measured correlations: each of 400 images cropped by 5 % in four
# ways had at least 0.986 with one of these crops; no two different images of 600 had more than
# 0.89.
_CROPS = (
    (0.025, 0.025, 0.025, 0.025),
    *(
        (0.025 + x, 0.025 + y, 0.025 - x, 0.025 - y)
        for x in (-0.025, 0.0, 0.025)
        for y in (-0.025, 0.0, 0.025)
        if x or y
    ),
    (0.05, 0.05, 0.05, 0.05),
)
# Number of views of an image: the whole image, the crops, and the mirror image.
VIEWS = len(_CROPS) + 2


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ImageRecord:
    """The measured values of an image, from which the data check finds issues.

    Attributes:
      file_name: the name of the image in the source.
      split: the split of the image.
      label: index of its class.
      hashes: perceptual hashes of V views of the image, uint64 [V]: of the whole image, of crops,
        and of its mirror image; empty for an image with a side of less than 32 pixels.
      greys: the same views as float16 [V, 576], each with mean 0 and standard deviation 1; zeros
        where a view is blank.
      width: in pixels.
      height: in pixels.
      suffix: extension of the file name in lower case, without the dot; empty if the file name has
        no extension.
      brightness: mean of the grey values, in [0, 1].
      contrast: standard deviation of the grey values, in [0, 1].
      sharpness: variance of the Laplacian of the grey values, at 256 pixels.
    """

    file_name: str
    split: str
    label: int
    hashes: np.ndarray
    greys: np.ndarray
    width: int
    height: int
    suffix: str
    brightness: float
    contrast: float
    sharpness: float


def measure_image(encoded: bytes, *, file_name: str, split: str, label: int) -> ImageRecord:
    """Measures an encoded image of ImageExampleGen, an upright RGB JPEG."""
    with PIL.Image.open(io.BytesIO(encoded)) as image:
        width, height = image.size
        # With `draft`, libjpeg decodes the image directly at a fraction of its size.
        image.draft("L", (_WORK_SIDE, _WORK_SIDE))
        grey = image.convert("L")
    grey.thumbnail((_WORK_SIDE, _WORK_SIDE))
    values = np.asarray(grey, np.float32) / 255
    views = list(_views(grey)) if min(width, height) >= LEAST_SIDE else []
    return ImageRecord(
        file_name=file_name,
        split=split,
        label=label,
        hashes=np.array([_hash(view) for view in views], np.uint64),
        greys=np.array([_normalise(view) for view in views], np.float16).reshape(-1, SIDE**2),
        width=width,
        height=height,
        suffix=PurePosixPath(file_name).suffix.lower().lstrip("."),
        brightness=float(values.mean()),
        contrast=float(values.std()),
        sharpness=_sharpness(values),
    )


def _views(image: PIL.Image.Image) -> Iterator[PIL.Image.Image]:
    # The image is scaled to four times the size of the comparison, since larger images would only
    # take more time.
    size = (4 * SIDE, 4 * SIDE)
    width, height = image.size
    whole = image.resize(size, PIL.Image.Resampling.BOX)
    yield whole
    for left, upper, right, lower in _CROPS:
        box = (width * left, height * upper, width * (1 - right), height * (1 - lower))
        yield image.resize(size, PIL.Image.Resampling.BOX, box)
    yield PIL.ImageOps.mirror(whole)


def _hash(image: PIL.Image.Image) -> int:
    return int(str(imagehash.phash(image)), 16)


def _normalise(image: PIL.Image.Image) -> np.ndarray:
    small = np.asarray(image.resize((SIDE, SIDE), PIL.Image.Resampling.BOX), np.float32).ravel()
    deviation = small.std()
    return (small - small.mean()) / deviation if deviation > 1 else np.zeros_like(small)


def _sharpness(values: np.ndarray) -> float:
    """Returns the variance of the Laplacian (Pech-Pacheco et al., 2000), which is small for a
    blurred image.
    """
    if min(values.shape) < 3:
        return 0.0
    centre = values[1:-1, 1:-1]
    around = values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:]
    return float((around - 4 * centre).var())
