"""Serialized examples -> the files of an Examples artifact's split."""

import gzip
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.io.tfrecordio import _TFRecordSink
from tfx.components.example_gen.write_split import DEFAULT_TF_RECORD_FILE_NAME


class WriteExamples(beam.PTransform):
    """Writes gzipped TFRecords, as every reader of Examples expects them, but compresses nothing.

    Photographs are compressed already: gzip saves a fiftieth of them, and undoing it takes about a
    tenth of the input pipeline's time in every epoch of a training.

    In place of TFX's `WriteSplit`, since Beam's gzip has no level.
    """

    def __init__(self, split_uri: str) -> None:
        """`split_uri`: the folder of the split."""
        super().__init__()
        self._prefix = f"{split_uri}/{DEFAULT_TF_RECORD_FILE_NAME}"

    def expand(self, examples: beam.PCollection[bytes]) -> beam.PCollection:
        """PCollection of serialized examples -> one of the files' names."""
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
    """Beam's sink, with gzip that only frames what is written."""

    def open(self, temp_path: str) -> gzip.GzipFile:
        raw = FileSystems.create(temp_path, self.mime_type, CompressionTypes.UNCOMPRESSED)
        return gzip.GzipFile("", "wb", compresslevel=0, fileobj=raw, mtime=0)

    def close(self, file_handle: gzip.GzipFile) -> None:
        raw: Any = file_handle.fileobj  # which gzip leaves open, and forgets
        file_handle.close()
        raw.close()
