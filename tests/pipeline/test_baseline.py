import shutil

import pytest
import tensorflow as tf
from tfx.components.evaluator import constants
from tfx.types import standard_artifacts

from pipeline.baseline import ComparableModelStrategy


@pytest.fixture
def artifacts(tmp_path):
    """Two blessed models of the classes a and b, the second the later one."""
    models, blessings = [], []
    for number in (1, 2):
        model, blessing = standard_artifacts.Model(), standard_artifacts.ModelBlessing()
        model.uri, model.id = str(tmp_path / str(number)), number
        directory = tmp_path / str(number) / "Format-Serving"
        tf.saved_model.save(tf.Module(), str(directory))
        (directory / "assets.extra").mkdir()
        (directory / "assets.extra" / "classes.json").write_text('["a", "b"]')
        blessing.id = 10 + number
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, number)
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, 1)
        models.append(model)
        blessings.append(blessing)
    return {"model": models, "model_blessing": blessings}


def resolved(artifacts, classes):
    found = ComparableModelStrategy(classes=classes).resolve_artifacts(None, artifacts)
    return [model.id for model in found["model"]]


def test_the_last_blessed_model(artifacts):
    assert resolved(artifacts, ["a", "b"]) == [2]


def test_a_model_whose_files_are_gone_is_passed_over(artifacts):
    shutil.rmtree(artifacts["model"][1].uri)
    assert resolved(artifacts, ["a", "b"]) == [1]
    shutil.rmtree(artifacts["model"][0].uri)
    assert resolved(artifacts, ["a", "b"]) == []


@pytest.mark.parametrize("classes", [["b", "a"], ["a", "b", "c"]])
def test_a_model_of_other_classes_is_no_baseline(artifacts, classes):
    assert resolved(artifacts, classes) == []
