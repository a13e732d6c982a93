"""Views: versions of an image that are compared with other images to find near duplicates.

The views of an image are the whole image, several crops, and the mirror image. The crops and the
mirror image let the data check find cropped and mirrored copies of an image.

This module loads quickly, because it imports neither TensorFlow nor TFX.
"""

import os
import tempfile
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, Self

import imagehash
import numpy as np
import PIL.Image
import PIL.ImageOps

SIDE = 24  # pixels; side of the small grey copies of the views
# Each tuple defines a crop: the shares of the width or height that are cut off at the left, top,
# right and bottom. In a test with 400 images, each of which was cropped by 5 % in four ways, every
# cropped copy had a correlation of at least 0.986 with one of the crops that this module makes of
# the original image. Among 600 different images, the highest correlation of two images was 0.89.
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
# The number of views of an image: the whole image, its crops, and its mirror image.
VIEWS = len(_CROPS) + 2
_BYTES = VIEWS * SIDE**2 * np.dtype(np.float16).itemsize  # bytes of an image's grey copies


class Views(Protocol):
    """The views of one image: the whole image, its crops, and its mirror image.

    Attributes:
      hashes: perceptual hashes of the views, uint64 [V].
      greys: small grey copies of the views, float16 [V, 576]. Each grey copy has mean 0 and
        standard deviation 1. If a view has nearly one colour, its grey copy is 0 everywhere.
    """

    @property
    def hashes(self) -> np.ndarray: ...
    @property
    def greys(self) -> np.ndarray: ...


class _Views(NamedTuple):
    hashes: np.ndarray
    greys: np.ndarray


def make_views(image: PIL.Image.Image) -> Views:
    """Makes the views of a grey image."""
    views = list(_views(image))
    return _Views(
        np.array([_hash(view) for view in views], np.uint64),
        np.array([_normalise(view) for view in views], np.float16).reshape(-1, SIDE**2),
    )


class ViewsFile:
    """A temporary file for the grey copies of the views of many images.

    The grey copies take 14 kB for each image, so the grey copies of all images would take too much
    memory. Only the perceptual hashes of the views stay in memory.
    """

    def __enter__(self) -> Self:
        self._file = tempfile.TemporaryFile()
        self._images = 0
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()

    def store(self, hashes: np.ndarray, greys: np.ndarray) -> Views:
        """Writes the grey copies of an image's views to the file.

        Returns a `Views` object that reads the grey copies from the file whenever its attribute
        `greys` is used. The returned object can be used until the context of this `ViewsFile` ends.

        Args:
          hashes: perceptual hashes of the image's views, as in `Views`.
          greys: grey copies of the image's views, as in `Views`.
        """
        self._file.write(greys.astype(np.float16).tobytes())
        self._images += 1
        # Copy the hashes, because `hashes` may be a slice of a larger array, and the slice would
        # keep the whole array in memory.
        return _StoredViews(hashes.copy(), self, self._images - 1)

    def read(self, image: int) -> np.ndarray:
        """Returns the grey copies of an image; the first image that was stored has the index 0."""
        self._file.flush()
        # Do not map the file into memory, because the mapped pages would count as memory of the
        # process.
        greys = os.pread(self._file.fileno(), _BYTES, image * _BYTES)
        return np.frombuffer(greys, np.float16).reshape(VIEWS, SIDE**2)


class _StoredViews:
    """Views whose grey copies are read from a `ViewsFile`."""

    __slots__ = ("_file", "_image", "hashes")

    def __init__(self, hashes: np.ndarray, file: ViewsFile, image: int) -> None:
        self.hashes = hashes
        self._file = file
        self._image = image

    @property
    def greys(self) -> np.ndarray:
        return self._file.read(self._image)


def _views(image: PIL.Image.Image) -> Iterator[PIL.Image.Image]:
    # Scale each view to only 96 x 96 pixels, because computing the perceptual hash of a larger
    # image takes longer.
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
