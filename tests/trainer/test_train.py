"""Training and export on small things; the whole Trainer runs in tests/end_to_end."""

import json
import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.hyperparameters import Hyperparameters
from trainer.model import make_probe
from trainer.train import backbone_directory, fit


@pytest.fixture
def data():
    """Two classes that a line separates, in batches of 4: 10 examples, so the last has 2."""
    features = np.random.default_rng(0).normal(size=[10, 2]).astype(np.float32)
    labels = (features[:, 0] > 0).astype(np.int64)
    return tf.data.Dataset.from_tensor_slices((features, labels)).batch(4)


def train(data, directory, **changes):
    keras.utils.set_random_seed(0)
    model = make_probe(2, 2)
    hyperparameters = Hyperparameters(**{"batch_size": 4, "learning_rate": 0.5} | changes)
    fit(model, data, data, hyperparameters=hyperparameters, examples=10, log_dir=str(directory))
    return model, json.loads((directory / "history.json").read_text())


def test_it_learns_and_writes_its_history(data, tmp_path):
    _, history = train(data, tmp_path, epochs=20)
    assert len(history["loss"]) == 20
    assert history["val_accuracy"][-1] == 1.0


def test_label_smoothing_keeps_the_loss_up(data, tmp_path):
    _, history = train(data, tmp_path, epochs=20, label_smoothing=0.2)
    assert history["val_accuracy"][-1] == 1.0
    assert history["loss"][-1] > 0.3


@pytest.mark.parametrize("steps", [1, 3, 4, 7])
def test_steps_are_counted_exactly(data, tmp_path, steps, caplog):
    with caplog.at_level(logging.INFO, "trainer.progress"):
        model, _ = train(data, tmp_path, steps=steps)
    assert int(model.optimizer.iterations) == steps
    last = [record.progress for record in caplog.records if hasattr(record, "progress")][-1]
    assert (last.step, last.total_steps) == (steps, steps)
    assert {"loss", "accuracy"} <= set(last.metrics)


def test_the_same_seed_gives_the_same_weights(data, tmp_path):
    one, _ = train(data, tmp_path, epochs=3)
    other, _ = train(data, tmp_path, epochs=3)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_backbone_has_its_saved_model_at_its_top_or_where_tfx_puts_it(tmp_path):
    assert backbone_directory(f"{tmp_path}/Format-Serving") == f"{tmp_path}/Format-Serving"
    (tmp_path / "saved_model.pb").touch()
    assert backbone_directory(f"{tmp_path}/Format-Serving") == str(tmp_path)
