"""Images of any source -> tf.Examples in three splits, a quarantine file, and counts."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.image_example_gen.counts import (
    COUNTS_FILE,
    QUARANTINE,
    QUARANTINE_FILE,
    READ,
    read_counts,
)
from components.image_example_gen.normalise import UndecodableError, normalise
from components.image_example_gen.sources.base import TEST, SourceImage
from components.image_example_gen.sources.registry import make_source
from components.image_example_gen.split import SPLITS, split_of
from components.image_example_gen.write_examples import WriteExamples
from trainer.errors import InputError

EXAMPLES_KEY = "examples"
OUTCOMES = (*SPLITS, QUARANTINE)


class Executor(base_beam_executor.BaseBeamExecutor):
    """Executor of `ImageExampleGen`."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the Examples artifact.

        Args:
          input_dict: empty.
          output_dict: `examples`, one Examples artifact.
          exec_properties: as in `ImageExampleGenSpec`.

        Raises:
          InputError: the source cannot be read, its classes are others than the pipeline was built
            for, or a split comes out empty.
          RuntimeError: not every image that was read was written or quarantined.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        artifact = artifact_utils.get_single_instance(output_dict[EXAMPLES_KEY])
        source = make_source(exec_properties["source"])
        source.prepare()
        classes = tuple(json.loads(exec_properties["classes"]))
        if source.classes() != classes:
            raise InputError(
                f"the source has the classes {', '.join(source.classes())}; expected "
                f"{', '.join(classes)}, which the pipeline was built for: build it again"
            )
        artifact.split_names = artifact_utils.encode_split_names(list(SPLITS))
        examples_utils.set_payload_format(artifact, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(artifact, "tfrecords_gzip")

        to_example = _ToExample(
            max_side=exec_properties["max_side"], source_has_test=TEST in source.splits()
        )
        with self._make_beam_pipeline() as pipeline:
            tallies, outcomes = [], []
            for split in source.splits():
                images = pipeline | f"Read[{split}]" >> source.read(split)
                tallies.append(images | f"Tally[{split}]" >> beam.Map(lambda _: READ))
                outcomes.append(images | f"ToExample[{split}]" >> beam.ParDo(to_example, split))
            sorted_out = (
                outcomes
                | "Merge" >> beam.Flatten()
                | "SortOut" >> beam.Partition(_outcome_index, len(OUTCOMES))
            )
            for outcome, records in zip(OUTCOMES, sorted_out, strict=True):
                tallies.append(records | f"Tally[out][{outcome}]" >> beam.Keys())
                values = records | f"Values[{outcome}]" >> beam.Values()
                if outcome == QUARANTINE:
                    _ = values | "WriteQuarantine" >> _write_text(artifact.uri, QUARANTINE_FILE)
                else:
                    uri = artifact_utils.get_split_uri([artifact], outcome)
                    _ = values | f"Write[{outcome}]" >> WriteExamples(uri)
            _ = (
                tallies
                | "MergeTallies" >> beam.Flatten()
                | beam.combiners.Count.PerElement()
                | beam.combiners.ToDict()
                | beam.Map(lambda counts: json.dumps(counts, sort_keys=True))
                | "WriteCounts" >> _write_text(artifact.uri, COUNTS_FILE)
            )
        _check_counts(read_counts(artifact.uri))


class _ToExample(beam.DoFn):
    """A SourceImage -> its split and a serialized tf.Example, or QUARANTINE and a JSON record."""

    def __init__(self, *, max_side: int, source_has_test: bool) -> None:
        self._max_side = max_side
        self._source_has_test = source_has_test

    def process(self, image: SourceImage, source_split: str) -> Iterator[tuple[str, Any]]:
        try:
            if image.error:
                raise UndecodableError(image.error)
            encoded = normalise(image.encoded, self._max_side)
        except UndecodableError as error:
            record = {
                "file_name": image.file_name,
                "label": image.label,
                "reason": str(error),
                "bytes": len(image.encoded),
                "sha256": hashlib.sha256(image.encoded).hexdigest(),
            }
            yield QUARANTINE, json.dumps(record)
        else:
            split = split_of(image.encoded, source_split, self._source_has_test)
            yield split, _example(encoded, image.label, image.file_name)


def _outcome_index(outcome: tuple[str, Any], _: int) -> int:
    return OUTCOMES.index(outcome[0])


def _example(encoded: bytes, label: int, file_name: str) -> bytes:
    def feature(value: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    features = {
        "image": feature(encoded),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
        "file_name": feature(file_name.encode(errors="backslashreplace")),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    # A protobuf map has no order: without this no two runs would write the same bytes.
    return example.SerializeToString(deterministic=True)


def _write_text(directory: str, name: str) -> beam.PTransform:
    """Writes lines to one file of a fixed name."""
    path = f"{directory}/{PurePosixPath(name).stem}"
    return beam.io.WriteToText(
        path, file_name_suffix=PurePosixPath(name).suffix, num_shards=1, shard_name_template=""
    )


def _check_counts(counts: dict[str, int]) -> None:
    read, quarantined = counts[READ], counts[QUARANTINE]
    if read != sum(counts[outcome] for outcome in OUTCOMES):
        raise RuntimeError(f"images were lost: {counts}; the first should be the sum of the rest")
    empty = [split for split in SPLITS if not counts[split]]
    if empty:
        raise InputError(
            f"no image for the split {', '.join(empty)}: {read} images read, {quarantined} of "
            "them quarantined; expected enough for train, validation and test (80/10/10)"
        )
