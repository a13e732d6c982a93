"""Writes class folders of distinct JPEGs for benchmarks, quickly."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import PIL.Image

_CLASSES = 5
_END = b"\xff\xd9"


def make_small_images(folder: Path, count: int, size: int) -> Path:
    """Writes different JPEGs of 64 x 64 pixels and `size` bytes into five class folders.

    Each file ends with random bytes, which decoders ignore. The random bytes make the file as large
    as a photo from a camera. A run on these files reads as many bytes as a run on photos, but
    decodes only 64 x 64 pixels per image.

    Args:
      folder: the folder to write to; nothing is written if this folder already has the images.
      count: number of images.
      size: bytes of a file.
    """
    random = np.random.default_rng(0)
    shades = random.uniform(0, 255, (_CLASSES, 4, 4, 3))
    for number in range(count):
        label = number % _CLASSES
        file = folder / f"class_{label}" / f"{number:06}.jpg"
        if file.exists():
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        noise = random.integers(0, 40, (4, 4, 3))
        pixels = PIL.Image.fromarray(np.clip(shades[label] + noise, 0, 255).astype(np.uint8))
        encoded = io.BytesIO()
        pixels.resize((64, 64)).save(encoded, "JPEG", quality=90)
        file.write_bytes(encoded.getvalue() + random.bytes(max(size - encoded.tell(), 8)))
    return folder


def make_copies(folder: Path, images: Sequence[Path], count: int) -> Path:
    """Writes copies of real images in class folders; a few bytes at the end make each copy unique.

    Args:
      folder: the folder to write to.
      images: files in class folders.
      count: number of copies.
    """
    for number, image in zip(range(count), _endless(images), strict=False):
        file = folder / image.parent.name / f"{number:06}{image.suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_bytes(image.read_bytes() + f"{number:08}".encode())
    return folder


def _endless(images: Sequence[Path]) -> Iterator[Path]:
    while True:
        yield from images
