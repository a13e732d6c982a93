"""Small copies of some images of a split."""

import io
from collections.abc import Collection

import PIL.Image

from components.image_example_gen.read_images import read_images
from components.report.contents import Thumbnail

_SIDE, _QUALITY = 240, 78  # pixels; of the JPEG


def read_thumbnails(split: str, files: Collection[str]) -> dict[str, Thumbnail]:
    """Makes thumbnails of the images of a split that have these names.

    Args:
      split: URI of the split of an Examples artifact.
      files: values of the feature `file_name`.

    Returns:
      Thumbnails by name; an image that is not in the split has none.
    """
    return {name: make_thumbnail(encoded) for name, encoded in read_images(split, files)}


def make_thumbnail(encoded: bytes) -> Thumbnail:
    """Makes a thumbnail of an encoded image of ImageExampleGen: an upright RGB JPEG."""
    with PIL.Image.open(io.BytesIO(encoded)) as image:
        small = image.convert("RGB")
    small.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=_QUALITY)
    return Thumbnail(jpeg=file.getvalue(), width=small.width, height=small.height)
