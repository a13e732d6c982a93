from types import SimpleNamespace

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from common.errors import InputError
from components.model_evaluator.predictions import (
    FILE,
    SCHEMA,
    read_predictions,
)
from components.model_evaluator.predictions_writer import (
    WritePredictions,
    make_rows,
    write_predictions_to,
)

CLASSES = ("daisy", "roses", "tulips")


def example(name: bytes, label: int) -> bytes:
    features = {
        "file_name": tf.train.Feature(bytes_list=tf.train.BytesList(value=[name])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


INPUTS = [example(b"b.jpg", 0), example("ä.jpg".encode(), 1), example(b"a\xff.jpg", 2)]
ANSWERS = {
    "probabilities": np.array([[0.2, 0.5, 0.3], [0.1, 0.8, 0.1], [0, 0, 0]], np.float32),
    "valid": np.array([True, True, False]),
    "accepted": np.array([False, True, False]),
}


def test_the_rows_of_one_model():
    table = make_rows({"input": INPUTS, "predictions": ANSWERS}, CLASSES)
    assert table.schema == SCHEMA
    rows = table.to_pydict()
    assert rows["file_name"] == ["b.jpg", "ä.jpg", "a\\xff.jpg"]
    assert rows["label"] == ["daisy", "roses", "tulips"]
    assert rows["predicted"] == ["roses", "roses", ""]
    assert rows["probability"] == pytest.approx([0.5, 0.8, 0])
    assert rows["rank"] == [3, 1, None]
    assert (rows["valid"], rows["accepted"]) == ([True, True, False], [False, True, False])
    assert {name: set(rows[name]) for name in rows if name.startswith("champion_")} == {
        f"champion_{name}": {None}
        for name in ("predicted", "probability", "rank", "valid", "accepted")
    }


def test_the_rows_of_a_model_and_of_a_champion_without_the_output_valid():
    champion = {"probabilities": np.array([[0.4, 0.3, 0.3], [0.5, 0.5, 0], [0, 0, 1]])}
    outputs = {"candidate": ANSWERS, "baseline": champion}
    rows = make_rows({"input": INPUTS, "predictions": outputs}, CLASSES).to_pydict()
    assert rows["predicted"] == ["roses", "roses", ""]
    assert rows["champion_predicted"] == ["daisy", "daisy", "tulips"]
    # if two classes are equally probable, the first class has the better rank
    assert rows["champion_rank"] == [1, 2, 1]
    assert rows["champion_valid"] == rows["champion_accepted"] == [True] * 3


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_the_file_has_all_batches_sorted_by_name(tmp_path, batches):
    """Beam merges bundles in any order, but the file must be sorted."""
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "classes.json").write_text('["daisy", "roses", "tulips"]')
    extracts = [
        {
            "input": [example(f"{batch}{place}".encode(), 0) for place in (1, 0, 2)],
            "predictions": ANSWERS,
        }
        for batch in reversed(range(batches))
    ]
    with write_predictions_to(str(tmp_path / "evaluation")), beam.Pipeline() as pipeline:
        model = SimpleNamespace(model_path=str(tmp_path))
        _ = pipeline | beam.Create(extracts) | WritePredictions([model])
    table = read_predictions(str(tmp_path / "evaluation"))
    names = [f"{batch}{place}" for batch in range(batches) for place in range(3)]
    assert table["file_name"].to_pylist() == names


@pytest.mark.parametrize("content", [None, b"", b"PAR1 and then nothing"])
def test_a_missing_or_damaged_table(tmp_path, content):
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    with pytest.raises(InputError, match=r"no readable table of predictions.*evaluated again"):
        read_predictions(str(tmp_path))


def test_a_table_of_other_columns(tmp_path):
    pq.write_table(pa.table({"x": [1]}), tmp_path / FILE)
    with pytest.raises(InputError, match="no readable table of predictions"):
        read_predictions(str(tmp_path))
