"""The handwritten digits that scikit-learn ships: 1,797 grey images of 8 x 8 pixels.

`sklearn.datasets.load_digits` reads them, a copy of the test set of UCI's "Optical Recognition of
Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998).
"""

import hashlib
import io
from pathlib import Path
from typing import Any

from components.image_example_gen.sources.base import TRAIN, Source, SourceImage


class DigitsSource(Source):
    """The digits as PNG images, with values from 0 to 16 scaled to 0 to 255."""

    def prepare(self) -> None:
        """Does nothing: scikit-learn contains the images."""

    def classes(self) -> tuple[str, ...]:
        return tuple("0123456789")

    def splits(self) -> tuple[str, ...]:
        return (TRAIN,)

    def fingerprint(self, cache: Path | None = None) -> str:
        digest = hashlib.sha256()
        for image in _images():
            digest.update(f"{image.file_name}\0{image.label}\0".encode() + image.encoded)
        return digest.hexdigest()

    def read(self, split: str) -> Any:
        import apache_beam as beam

        return f"Digits[{split}]" >> beam.Create(_images())


def _images() -> list[SourceImage]:
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)
    images = []
    for index, (image, label) in enumerate(zip(pixels, digits.target, strict=True)):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        images.append(SourceImage(f"digit_{index:04}.png", int(label), file.getvalue()))
    return images
