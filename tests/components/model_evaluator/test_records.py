import shutil

import pytest
import tensorflow as tf

from components.model_evaluator.records import NONE, last_blessed, record


@pytest.fixture
def models(tmp_path):
    """URIs of two blessed models of the classes a and b, the second the later one."""
    uris = []
    for name in ("1", "2"):
        directory = tmp_path / name / "Format-Serving"
        tf.saved_model.save(tf.Module(), str(directory))
        (directory / "assets.extra").mkdir()
        (directory / "assets.extra" / "classes.json").write_text('["a", "b"]')
        uris.append(str(tmp_path / name))
        record(str(tmp_path / "blessed"), uris[-1])
    return uris


def test_the_last_blessed_model(models, tmp_path):
    assert last_blessed(str(tmp_path / "blessed"), ["a", "b"]) == models[1]


def test_one_that_is_blessed_again_is_the_last(models, tmp_path):
    record(str(tmp_path / "blessed"), models[0])
    assert last_blessed(str(tmp_path / "blessed"), ["a", "b"]) == models[0]


def test_before_the_first_blessing_there_is_none(tmp_path):
    assert last_blessed(str(tmp_path / "blessed"), ["a", "b"]) == NONE


def test_a_model_whose_files_are_gone_is_passed_over(models, tmp_path):
    records = str(tmp_path / "blessed")
    shutil.rmtree(models[1])
    assert last_blessed(records, ["a", "b"]) == models[0]
    shutil.rmtree(models[0])
    assert last_blessed(records, ["a", "b"]) == NONE


@pytest.mark.parametrize("classes", [["b", "a"], ["a", "b", "c"]])
def test_a_model_of_other_classes_is_no_baseline(models, tmp_path, classes):
    assert last_blessed(str(tmp_path / "blessed"), classes) == NONE
