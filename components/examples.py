"""Reads the examples that ImageExampleGen and Transform write, one by one."""

import itertools
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import tensorflow as tf
from tfx.types import Artifact, artifact_utils


class ImageExample(NamedTuple):
    """An example that ImageExampleGen wrote.

    Attributes:
      record: the serialized `tf.Example`.
      image: the encoded image: an upright RGB JPEG.
      label: index of the class of the image.
      file_name: name of the image in the source.
    """

    record: bytes
    image: bytes
    label: int
    file_name: str


def list_splits(examples: Artifact) -> list[str]:
    """Returns the URIs of all splits of an Examples artifact."""
    return [
        artifact_utils.get_split_uri([examples], split)
        for split in artifact_utils.decode_split_names(examples.split_names)
    ]


def read_records(split: str) -> Iterator[bytes]:
    """Yields the TFRecords of a split, in the order of the file names.

    Args:
      split: URI of the split of an Examples artifact.
    """
    files = sorted(tf.io.gfile.glob(f"{split}/*"))
    yield from tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()


def read_images(split: str) -> Iterator[ImageExample]:
    """Yields the examples of one of ImageExampleGen's splits, in the order of the file names.

    Args:
      split: URI of the split.
    """
    for record in read_records(split):
        features = tf.train.Example.FromString(record).features.feature
        yield ImageExample(
            record,
            features["image"].bytes_list.value[0],
            features["label"].int64_list.value[0],
            features["file_name"].bytes_list.value[0].decode(),
        )


def find_images(splits: Iterable[str], names: Collection[str]) -> Iterator[ImageExample]:
    """Yields the examples of the images in `names`, in the order in which they are stored.

    Args:
      splits: URIs of splits of ImageExampleGen.
      names: the values of the feature `file_name`. The function ignores a name that does not occur
        in `splits`.
    """
    wanted = set(names)
    examples = itertools.chain.from_iterable(map(read_images, splits))
    while wanted and (example := next(examples, None)):
        if example.file_name in wanted:
            wanted.remove(example.file_name)
            yield example
