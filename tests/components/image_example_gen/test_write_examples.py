"""The files of a split."""

import gzip

import apache_beam as beam
import tensorflow as tf

from components.image_example_gen.write_examples import WriteExamples


def test_examples_are_not_compressed(tmp_path):
    records = [bytes([index]) * 10_000 for index in range(50)]
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        _ = pipeline | beam.Create(records) | WriteExamples(str(tmp_path / "Split-train"))
    files = sorted((tmp_path / "Split-train").iterdir())
    assert all(file.name.startswith("data_tfrecord-") for file in files)
    assert all(file.suffix == ".gz" for file in files)
    read = tf.data.TFRecordDataset([str(file) for file in files], compression_type="GZIP")
    assert sorted(record.numpy() for record in read) == sorted(records)
    inflated = sum(len(gzip.decompress(file.read_bytes())) for file in files)
    assert inflated < sum(file.stat().st_size for file in files) < 1.01 * inflated
