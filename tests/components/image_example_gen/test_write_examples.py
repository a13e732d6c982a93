"""Tests of the record files that ingestion writes for a split."""

import gzip

import pytest
import tensorflow as tf

from components.image_example_gen.write_examples import open_shard


def test_examples_are_not_compressed(tmp_path):
    records = [bytes([index]) * 10_000 for index in range(50)]
    with open_shard(str(tmp_path / "Split-train"), 0, 1) as write:
        for record in records:
            write(record)
    (file,) = (tmp_path / "Split-train").iterdir()
    assert file.name == "data_tfrecord-00000-of-00001.gz"
    read = tf.data.TFRecordDataset([str(file)], compression_type="GZIP")
    assert [record.numpy() for record in read] == records
    inflated = len(gzip.decompress(file.read_bytes()))
    assert inflated < file.stat().st_size < 1.01 * inflated


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    with (
        pytest.raises(OSError, match="no space"),
        open_shard(str(tmp_path / "Split-train"), 0, 1) as write,
    ):
        write(b"example")
        raise OSError("no space")
    assert not list((tmp_path / "Split-train").iterdir())
