"""Makes thumbnails of images."""

import io
from collections.abc import Collection, Iterable

import PIL.Image

from components.examples import find_images
from components.report.contents import Thumbnail

# The longest side of a large thumbnail and of a small thumbnail, in pixels, and their JPEG quality.
SIDE, SMALL_SIDE, _QUALITY = 240, 160, 78


def read_thumbnails(
    splits: Iterable[str], files: Collection[str], side: int = SIDE
) -> dict[str, Thumbnail]:
    """Makes thumbnails of the images with the given file names.

    Args:
      splits: the URIs of the splits that contain the images.
      files: values of the feature `file_name`.
      side: longest side of a thumbnail in pixels.

    Returns:
      The thumbnails by file name. Images that are not in the splits have no thumbnail.
    """
    return {
        example.file_name: make_thumbnail(example.image, side)
        for example in find_images(splits, files)
    }


def make_thumbnail(encoded: bytes, side: int = SIDE) -> Thumbnail:
    """Makes a thumbnail of an encoded image of ImageExampleGen, an upright RGB JPEG."""
    with PIL.Image.open(io.BytesIO(encoded)) as image:
        # `draft` makes libjpeg decode the image at a fraction of its size, which is faster.
        image.draft("RGB", (side, side))
        small = image.convert("RGB")
    small.thumbnail((side, side))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=_QUALITY)
    return Thumbnail(jpeg=file.getvalue(), width=small.width, height=small.height)
