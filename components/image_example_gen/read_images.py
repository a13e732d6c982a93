"""Reads some images of a split by their names."""

from collections.abc import Collection, Iterator

import tensorflow as tf


def read_images(split: str, files: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yields the images of a split that have these names, in no particular order.

    Args:
      split: URI of the split of an Examples artifact.
      files: values of the feature `file_name`.

    Yields:
      Name and bytes, an upright RGB JPEG. An image that is not in the split is left out.
    """
    wanted = set(files)
    shards = sorted(tf.io.gfile.glob(f"{split}/*"))
    for record in tf.data.TFRecordDataset(shards, "GZIP") if wanted else ():
        features = tf.train.Example.FromString(record.numpy()).features.feature
        name = features["file_name"].bytes_list.value[0].decode(errors="backslashreplace")
        if name in wanted:
            yield name, features["image"].bytes_list.value[0]
            wanted.remove(name)
        if not wanted:
            break
