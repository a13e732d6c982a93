"""The handwritten digits that scikit-learn ships: 1,797 grey images of 8 x 8 pixels.

The images are those of `sklearn.datasets.load_digits`, a copy of the test set of UCI's "Optical
Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998).
"""

import functools
import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from components.image_example_gen.sources.base import (
    ImageReference,
    Source,
    SourceImage,
    source_image,
)


class DigitsSource(Source):
    """The digits as PNG images. The pixel values, which are 0 to 16, are scaled to 0 to 255."""

    def prepare(self, cache: Path | None = None) -> None:
        """Does nothing: scikit-learn contains the images."""

    def classes(self) -> tuple[str, ...]:
        return tuple("0123456789")

    def _list_images(self, cache: Path | None) -> Sequence[ImageReference]:
        return [
            ImageReference(
                file_name=f"digit_{index:04}.png",
                label=label,
                location=str(index),
                size=len(encoded),
                digest=hashlib.sha256(encoded).hexdigest(),
            )
            for index, (label, encoded) in enumerate(_digits())
        ]

    def read(self, images: Iterable[ImageReference]) -> Iterator[SourceImage]:
        for image in images:
            _, encoded = _digits()[int(image.location)]
            yield source_image(image, encoded)


@functools.cache
def _digits() -> list[tuple[int, bytes]]:
    """Returns the label and the PNG file of each digit."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)
    images = []
    for image, label in zip(pixels, digits.target, strict=True):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        images.append((int(label), file.getvalue()))
    return images
