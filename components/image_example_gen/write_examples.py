"""Writes serialized examples to the files of a split of an Examples artifact."""

import gzip
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.io.tfrecordio import _TFRecordSink
from tfx.components.example_gen.write_split import DEFAULT_TF_RECORD_FILE_NAME


class WriteExamples(beam.PTransform):
    """Writes TFRecords in gzip's format, which readers of Examples expect, without compressing.

    Images are compressed already: gzip would save a fiftieth of their size, and decompressing would
    take about a tenth of the input pipeline's time in every epoch of a training. TFX's `WriteSplit`
    is not used because Beam cannot set gzip's compression level.
    """

    def __init__(self, split_uri: str) -> None:
        """
        Args:
          split_uri: the URI of the folder of the split.
        """
        super().__init__()
        self._prefix = f"{split_uri}/{DEFAULT_TF_RECORD_FILE_NAME}"

    def expand(self, examples: beam.PCollection[bytes]) -> beam.PCollection:
        """Writes a PCollection of serialized examples; returns a PCollection of file names."""
        sink = _StoredTFRecordSink(
            self._prefix,
            coder=beam.coders.BytesCoder(),
            file_name_suffix=".gz",
            num_shards=0,
            shard_name_template=None,
            compression_type=CompressionTypes.GZIP,
        )
        return examples | beam.Reshuffle() | beam.io.Write(sink)


class _StoredTFRecordSink(_TFRecordSink):
    """Beam's sink, with gzip at compression level 0."""

    def open(self, temp_path: str) -> gzip.GzipFile:
        raw = FileSystems.create(temp_path, self.mime_type, CompressionTypes.UNCOMPRESSED)
        return gzip.GzipFile("", "wb", compresslevel=0, fileobj=raw, mtime=0)

    def close(self, file_handle: gzip.GzipFile) -> None:
        raw: Any = file_handle.fileobj  # `GzipFile.close` does not close this file
        file_handle.close()
        raw.close()
