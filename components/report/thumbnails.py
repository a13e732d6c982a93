"""Small copies of some images."""

import io
import itertools
from collections.abc import Collection, Iterable

import PIL.Image

from components.examples import read_images
from components.report.contents import Thumbnail

SIDE, SMALL_SIDE, _QUALITY = 240, 160, 78  # pixels; of the JPEG


def read_thumbnails(
    splits: Iterable[str], files: Collection[str], side: int = SIDE
) -> dict[str, Thumbnail]:
    """Makes thumbnails of the images that have these names.

    Args:
      splits: URIs of splits of an Examples artifact.
      files: values of the feature `file_name`.
      side: longest side of a thumbnail in pixels.

    Returns:
      Thumbnails by name; an image that is not in the splits has none.
    """
    wanted = set(files)
    found: dict[str, Thumbnail] = {}
    for example in itertools.chain.from_iterable(map(read_images, splits)):
        if not wanted:
            break
        if example.file_name in wanted:
            found[example.file_name] = make_thumbnail(example.image, side)
            wanted.remove(example.file_name)
    return found


def make_thumbnail(encoded: bytes, side: int = SIDE) -> Thumbnail:
    """Makes a thumbnail of an encoded image of ImageExampleGen: an upright RGB JPEG."""
    with PIL.Image.open(io.BytesIO(encoded)) as image:
        image.draft("RGB", (side, side))  # libjpeg decodes at a fraction of the size
        small = image.convert("RGB")
    small.thumbnail((side, side))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=_QUALITY)
    return Thumbnail(jpeg=file.getvalue(), width=small.width, height=small.height)
