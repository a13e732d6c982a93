"""Small copies of some images of a split."""

import io
from collections.abc import Collection

import PIL.Image
import tensorflow as tf

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
    wanted = set(files)
    found: dict[str, Thumbnail] = {}
    shards = sorted(tf.io.gfile.glob(f"{split}/*"))
    for record in tf.data.TFRecordDataset(shards, "GZIP") if wanted else ():
        features = tf.train.Example.FromString(record.numpy()).features.feature
        name = features["file_name"].bytes_list.value[0].decode(errors="backslashreplace")
        if name in wanted:
            found[name] = make_thumbnail(features["image"].bytes_list.value[0])
            wanted.remove(name)
        if not wanted:
            break
    return found


def make_thumbnail(encoded: bytes) -> Thumbnail:
    """Makes a thumbnail of an encoded image of ImageExampleGen: an upright RGB JPEG."""
    with PIL.Image.open(io.BytesIO(encoded)) as image:
        small = image.convert("RGB")
    small.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=_QUALITY)
    return Thumbnail(jpeg=file.getvalue(), width=small.width, height=small.height)
