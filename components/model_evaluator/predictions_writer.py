"""Writes the table of predictions in the pass over the test images in which TFMA computes the
metrics.
"""

import contextlib
import contextvars
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
import tensorflow_model_analysis as tfma

from components.model_evaluator.predictions import CHAMPION_PREFIX, FILE, SCHEMA
from trainer.serving.exported_model import read_classes

PROBABILITIES, VALID, ACCEPTED = "probabilities", "valid", "accepted"

# The directory of the table of predictions. TFX calls `make_extractors`, and does not pass the
# output directory to it, so the executor sets the directory in this context variable.
_directory: contextvars.ContextVar[str] = contextvars.ContextVar("directory of predictions")


@contextlib.contextmanager
def write_predictions_to(directory: str) -> Iterator[None]:
    """A context manager that makes `WritePredictions` write to `directory`, a path or URI."""
    token = _directory.set(directory)
    try:
        yield
    finally:
        _directory.reset(token)


class WritePredictions(beam.PTransform):
    """Writes the table of predictions from TFMA's extracts; returns the extracts unchanged.

    The rows of all test images are in memory at the same time, about 100 bytes for each image.
    """

    def __init__(self, eval_shared_models: Sequence[Any]) -> None:
        """
        Args:
          eval_shared_models: one `tfma.types.EvalSharedModel` for the new model and, if there is a
            champion, one for the champion. TFMA's name for the champion is `tfma.BASELINE_KEY`.
        """
        super().__init__()
        self._file = f"{_directory.get()}/{FILE}"
        self._classes = read_classes(eval_shared_models[0].model_path) or []

    def expand(self, extracts: beam.PCollection) -> beam.PCollection:
        _ = (
            extracts
            | "MakeRows" >> beam.Map(make_rows, self._classes)
            | "GatherRows" >> beam.CombineGlobally(_Concatenation())
            | "WriteRows" >> beam.Map(_write, self._file)
        )
        return extracts


def make_rows(extracts: Mapping[str, Any], classes: Sequence[str]) -> pa.Table:
    """Returns the rows that a batch adds to the table of predictions.

    Args:
      extracts: TFMA's extracts of the batch, which contain the serialized tf.Examples, the labels
        and the outputs of the new model. If there is a champion, the outputs of both models are in
        a dictionary by model name. Each output is a list or an array with one entry per image.
      classes: the class names, in the order of the models' outputs.
    """
    examples = [tf.train.Example.FromString(text) for text in extracts[tfma.INPUT_KEY]]
    names = [example.features.feature["file_name"].bytes_list.value for example in examples]
    labels = np.array(
        [example.features.feature["label"].int64_list.value[0] for example in examples]
    )
    outputs = extracts[tfma.PREDICTIONS_KEY]
    if PROBABILITIES in outputs:
        outputs = {"": outputs}
    columns: dict[str, Any] = {
        "file_name": [(b"".join(name)).decode(errors="backslashreplace") for name in names],
        "label": [classes[label] for label in labels],
    }
    for model, answers in outputs.items():
        prefix = CHAMPION_PREFIX if model == tfma.BASELINE_KEY else ""
        columns |= {
            prefix + name: values for name, values in _columns(answers, labels, classes).items()
        }
    absent = pa.nulls(len(labels))
    arrays = [
        pa.array(columns[f.name], f.type) if f.name in columns else absent.cast(f.type)
        for f in SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _columns(
    answers: Mapping[str, Any], labels: np.ndarray, classes: Sequence[str]
) -> dict[str, Any]:
    """Returns one model's columns for the table of predictions, in a dictionary by column name
    without prefix.

    A model that an earlier version of the pipeline exported has no outputs `valid` and `accepted`:
    for such a model, all images count as valid, and all predictions as accepted.
    """
    count = len(labels)
    probabilities = np.reshape(answers[PROBABILITIES], [count, -1])
    is_valid = np.reshape(answers.get(VALID, np.ones(count)), -1).astype(bool)
    is_accepted = np.reshape(answers.get(ACCEPTED, is_valid), -1).astype(bool)
    # Among equally probable classes, a stable sort puts the class with the lowest index first, as
    # argmax does.
    order = np.argsort(-probabilities, axis=1, kind="stable")
    rank = (order == labels[:, np.newaxis]).argmax(axis=1) + 1
    return {
        "predicted": [
            classes[best] if valid else ""
            for best, valid in zip(order[:, 0], is_valid, strict=True)
        ],
        "probability": np.where(is_valid, probabilities.max(axis=1), 0).astype(np.float32),
        "rank": [
            int(place) if valid else None for place, valid in zip(rank, is_valid, strict=True)
        ],
        "valid": is_valid,
        "accepted": is_accepted,
    }


class _Concatenation(beam.CombineFn):
    """Joins any number of tables into one table, sorted by file name."""

    def create_accumulator(self) -> list[pa.Table]:
        return []

    def add_input(self, tables: list[pa.Table], table: pa.Table) -> list[pa.Table]:
        return [*tables, table]

    def merge_accumulators(self, accumulators: Iterable[list[pa.Table]]) -> list[pa.Table]:
        return [table for tables in accumulators for table in tables]

    def compact(self, tables: list[pa.Table]) -> list[pa.Table]:
        return [pa.concat_tables(tables)] if tables else []

    def extract_output(self, tables: list[pa.Table]) -> pa.Table:
        whole = pa.concat_tables([SCHEMA.empty_table(), *tables])
        return whole.sort_by([("file_name", "ascending"), ("label", "ascending")])


def _write(table: pa.Table, file: str) -> None:
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer)
    tf.io.gfile.makedirs(file.rpartition("/")[0])
    with tf.io.gfile.GFile(file, "wb") as stream:
        stream.write(buffer.getvalue().to_pybytes())
