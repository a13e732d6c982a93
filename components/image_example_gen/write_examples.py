"""Writes serialized examples to a TFRecord file of an Examples artifact."""

import gzip
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import tensorflow as tf
from apache_beam.io.tfrecordio import _TFRecordUtil
from tfx.dsl.io import fileio

# A copy of the constant `DEFAULT_TF_RECORD_FILE_NAME` in tfx.components.example_gen.write_split.
# The constant is not imported, because importing tfx.components takes two seconds in each worker
# process of Beam.
_FILE_NAME = "data_tfrecord"


@contextmanager
def open_shard(split_uri: str, index: int, count: int) -> Iterator[Callable[[bytes], None]]:
    """A context manager that writes one TFRecord file, which appears when the `with` statement ends
    without an error.

    The file is in gzip format, because readers of Examples artifacts expect gzip files. The
    compression level is 0, because compression would make the encoded images only 2 % smaller,
    whereas decompression would take about a tenth of the input pipeline's time in every training
    epoch.

    Args:
      split_uri: the URI of the split's folder.
      index: the index of the file in its split.
      count: the number of files in the split.

    Yields:
      A function that writes a serialized example.
    """
    fileio.makedirs(split_uri)
    path = f"{split_uri}/{_FILE_NAME}-{index:05}-of-{count:05}.gz"
    # Each call writes to a temporary path of its own, because two workers may write the same shard
    # at the same time. If Beam loses contact with a worker, Beam assigns the worker's shard to
    # another worker.
    new = f"{split_uri}/.{index:05}-{uuid.uuid4().hex}"
    try:
        with (
            fileio.open(new, "wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=0, fileobj=raw, mtime=0) as file,
        ):
            yield lambda example: _TFRecordUtil.write_record(file, example)
    except BaseException:
        if fileio.exists(new):
            fileio.remove(new)
        raise
    fileio.rename(new, path, overwrite=True)


def make_example(encoded: bytes, label: int, file_name: str) -> bytes:
    """Returns a serialized tf.Example with the features `image`, `label` and `file_name`."""
    example = tf.train.Example()
    features = example.features.feature
    # The values are appended to the features of `example`, because creating a separate
    # `tf.train.Feature` would copy the image's bytes once more.
    features["image"].bytes_list.value.append(encoded)
    features["label"].int64_list.value.append(label)
    features["file_name"].bytes_list.value.append(file_name.encode())
    # The entries of a protobuf map have no fixed order, so without `deterministic=True`, two runs
    # might serialize the same example to different bytes.
    return example.SerializeToString(deterministic=True)
