import pytest
import tensorflow as tf

from tests.components.model_evaluator.blessings import record


@pytest.fixture
def make_model(tmp_path):
    """Returns a function that writes a model with the classes a and b, and returns its URI."""

    def make_model(name: str, weight: float = 0.0) -> str:
        directory = tmp_path / "Trainer" / name / "Format-Serving"
        module = tf.Module()
        module.weight = tf.Variable(weight)
        tf.saved_model.save(module, str(directory))
        (directory / "assets.extra").mkdir()
        (directory / "assets.extra" / "classes.json").write_text('["a", "b"]')
        return str(directory.parent)

    return make_model


@pytest.fixture
def records(tmp_path):
    """Returns the directory in which blessed models are recorded."""
    return str(tmp_path / "blessed")


@pytest.fixture
def blessings(make_model, records):
    """Records the blessings of two models, from the trainings "one" and "two", in this order."""
    return [
        record(records, make_model(str(index)), name) for index, name in enumerate(("one", "two"))
    ]
