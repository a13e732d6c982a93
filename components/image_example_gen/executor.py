"""Writes images of any source as tf.Examples in three splits, a quarantine file, and counts."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from common.errors import InputError
from common.example_counts import COUNTS_FILE
from components.image_example_gen.counts import (
    QUARANTINE,
    QUARANTINE_FILE,
    READ,
    format_counts,
    read_counts,
    read_counts_of_classes,
)
from components.image_example_gen.normalise import UndecodableError, normalise
from components.image_example_gen.sources.base import (
    SPLITS,
    TRAIN,
    UNREAD,
    ImageReference,
    SourceImage,
)
from components.image_example_gen.sources.registry import make_source
from components.image_example_gen.split import assign_splits
from components.image_example_gen.unread import note_unread
from components.image_example_gen.write_examples import WriteExamples
from trainer.decoding.limits import Limits

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
          exec_properties: the properties that `ImageExampleGenSpec` lists.

        Raises:
          InputError: the source cannot be read; it has other classes than the pipeline was built
            for; a split is empty; or a class has no training image.
          RuntimeError: an image that was read was neither written nor quarantined.
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
            classes=len(classes),
            limits=Limits(
                max_side=exec_properties["max_side"], max_pixels=exec_properties["max_pixels"]
            ),
        )
        images = source.images()
        plan = [(image, split) for image, split in zip(images, assign_splits(images), strict=True)]
        # Examples are written in this order. If they were written class by class, the Trainer's
        # shuffle buffer would be too small to mix the classes.
        plan.sort(key=lambda item: hashlib.sha256(os.fsencode(item[0].file_name)).digest())
        with self._make_beam_pipeline() as pipeline:
            read = (
                pipeline
                | "List" >> beam.Create(plan)
                | "Spread" >> beam.Reshuffle()
                | "Read" >> beam.ParDo(_Read(exec_properties["source"]))
            )
            tallies = [read | "Tally" >> beam.Map(lambda item: (READ, item[0].label))]
            sorted_out = (
                read
                | "ToExample" >> beam.ParDo(to_example)
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
                | beam.Map(format_counts)
                | "WriteCounts" >> _write_text(artifact.uri, COUNTS_FILE)
            )
        unread = _unread(artifact.uri)
        if unread:
            fingerprint = exec_properties["source_fingerprint"]
            note_unread(exec_properties["unread_notes"], fingerprint, unread)
        _check_counts(read_counts(artifact.uri))
        _check_classes(read_counts_of_classes(artifact.uri, len(classes)), classes)


# The outcome of an image (a split or QUARANTINE), and its label.
_Fate = tuple[str, int]


class _UnusableError(Exception):
    """An image cannot become an example; the message gives the reason."""


class _Read(beam.DoFn):
    """Reads the image of an (ImageReference, split); yields (SourceImage, split)."""

    def __init__(self, source: str) -> None:
        self._specification = source

    def setup(self) -> None:
        self._source = make_source(self._specification)

    def process(self, item: tuple[ImageReference, str]) -> Iterator[tuple[SourceImage, str]]:
        image, split = item
        for read in self._source.read([image]):
            yield read, split


class _ToExample(beam.DoFn):
    """Turns a (SourceImage, split) into ((outcome, label), value).

    The outcome is a split, and the value a serialized tf.Example; or the outcome is QUARANTINE, and
    the value a JSON record.
    """

    def __init__(self, *, classes: int, limits: Limits) -> None:
        self._classes = classes
        self._limits = limits

    def process(self, item: tuple[SourceImage, str]) -> Iterator[tuple[_Fate, Any]]:
        image, split = item
        try:
            self._check(image)
            encoded = normalise(image.encoded, self._limits)
        except (_UnusableError, UndecodableError) as error:
            record = {
                "file_name": image.file_name,
                "label": image.label,
                "reason": str(error),
                "bytes": len(image.encoded),
                "sha256": hashlib.sha256(image.encoded).hexdigest(),
            }
            yield (QUARANTINE, image.label), json.dumps(record)
        else:
            yield (split, image.label), _example(encoded, image.label, image.file_name)

    def _check(self, image: SourceImage) -> None:
        if image.error:
            raise _UnusableError(image.error)
        # TFDS gives unlabelled images the label -1.
        if not 0 <= image.label < self._classes:
            raise _UnusableError(f"label {image.label}: expected 0 to {self._classes - 1}")


def _outcome_index(record: tuple[_Fate, Any], _: int) -> int:
    (outcome, _label), _value = record
    return OUTCOMES.index(outcome)


def _example(encoded: bytes, label: int, file_name: str) -> bytes:
    def feature(value: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    features = {
        "image": feature(encoded),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
        "file_name": feature(file_name.encode(errors="backslashreplace")),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    # A protobuf map has no order. Without this option, two runs would write different bytes.
    return example.SerializeToString(deterministic=True)


def _write_text(directory: str, name: str) -> beam.PTransform:
    """Writes lines to one file with a fixed name."""
    path = f"{directory}/{PurePosixPath(name).stem}"
    return beam.io.WriteToText(
        path, file_name_suffix=PurePosixPath(name).suffix, num_shards=1, shard_name_template=""
    )


def _unread(uri: str) -> list[str]:
    """Returns the file names of quarantined images whose files were missing."""
    with fileio.open(f"{uri}/{QUARANTINE_FILE}") as file:
        records = [json.loads(line) for line in file.read().splitlines()]
    return [record["file_name"] for record in records if record["reason"].startswith(UNREAD)]


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


def _check_classes(counts: dict[str, list[int]], classes: Sequence[str]) -> None:
    """Checks that every class has a training image; a model could not learn it otherwise."""
    lost = [
        f"{name} ({read} read, {quarantined} of them quarantined)"
        for name, read, trained, quarantined in zip(
            classes, counts[READ], counts[TRAIN], counts[QUARANTINE], strict=True
        )
        if read and not trained
    ]
    if lost:
        more = f" and {len(lost) - 5} more classes" if len(lost) > 5 else ""
        raise InputError(
            f"no training image for the class {', '.join(lost[:5])}{more}; expected about 10 or "
            "more of each: a tenth goes to validation, another to test. Add images, or take the "
            "class away"
        )
    found = [name for name, trained in zip(classes, counts[TRAIN], strict=True) if trained]
    if len(found) < 2:
        raise InputError(
            f"all training images are of the class {found[0]}; expected at least 2 classes"
        )
