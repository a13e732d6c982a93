"""Tests which wrong predictions get heat maps, and what happens if heat maps fail."""

import pyarrow as pa
import pytest

from common.notice import logger
from components.model_evaluator.explain_mistakes import choose_mistakes, explain_mistakes
from components.model_evaluator.heat_maps import HeatMaps, read_heat_maps
from components.model_evaluator.predictions import SCHEMA


@pytest.fixture
def predictions():
    columns = {
        "file_name": ["right", "unsure", "sure", "damaged"],
        "label": ["a", "a", "b", "b"],
        "predicted": ["a", "b", "a", ""],
        "probability": [0.99, 0.6, 0.9, 0.0],
        "valid": [True, True, True, False],
    }
    return pa.table([pa.array(columns.get(f.name, [None] * 4), f.type) for f in SCHEMA], SCHEMA)


def test_the_surest_wrong_answers_come_first(predictions):
    assert list(choose_mistakes(predictions).items()) == [("sure", "a"), ("unsure", "b")]
    assert choose_mistakes(predictions, most=1) == {"sure": "a"}


def test_a_failure_is_logged_and_changes_nothing(predictions, tmp_path, caplog):
    """If the model cannot be loaded, the report has no heat maps, and the run goes on."""
    arguments = {"model": str(tmp_path / "none"), "classes": ["a", "b"], "test_split": "none"}
    with caplog.at_level("WARNING", logger=logger.name):
        assert explain_mistakes(predictions, **arguments, seconds=30) is None
    (line,) = [record.getMessage() for record in caplog.records if record.name == logger.name]
    assert line.startswith("The report has no heat maps of wrong answers: ")
    caplog.clear()
    assert explain_mistakes(predictions, **arguments, seconds=0) is None
    assert logger.name not in {record.name for record in caplog.records}


def test_an_evaluation_keeps_them(tmp_path):
    maps = HeatMaps(method="attention", wanted=3, maps={"a.jpg": [[0.5, 1]]})
    assert read_heat_maps(str(tmp_path)) is None
    maps.write(str(tmp_path))
    assert read_heat_maps(str(tmp_path)) == maps
