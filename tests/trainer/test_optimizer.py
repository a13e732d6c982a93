import dataclasses

import keras
import numpy as np
import pytest

from trainer.hyperparameters import Hyperparameters
from trainer.optimizer import exclude_vectors_from_decay, make_optimizer, make_schedule


def test_the_notebooks_schedule():
    """0.006 to 0.03 over 10 steps, then cosine to 0."""
    schedule = make_schedule(Hyperparameters(learning_rate=0.03, warmup_steps=10), 110)
    rates = [float(schedule(step)) for step in (0, 5, 10, 60, 110)]
    np.testing.assert_allclose(rates, [0.006, 0.018, 0.03, 0.015, 0], atol=1e-6)


@pytest.mark.parametrize("total_steps", [1, 2, 9])
def test_a_short_training_has_a_short_warm_up(total_steps):
    schedule = make_schedule(Hyperparameters(learning_rate=0.03, warmup_steps=10), total_steps)
    assert float(schedule(0)) == pytest.approx(0.03)
    assert float(schedule(total_steps)) == pytest.approx(0, abs=1e-6)


def test_sgd():
    optimizer = make_optimizer(Hyperparameters(optimizer="sgd", momentum=0.8, clip_norm=2.0), 10)
    assert isinstance(optimizer, keras.optimizers.SGD)
    assert (optimizer.momentum, optimizer.global_clipnorm) == (0.8, 2.0)


def test_weight_decay_leaves_vectors_and_tokens_alone():
    hyperparameters = Hyperparameters(
        optimizer="adamw", weight_decay=0.5, learning_rate=0.1, warmup_steps=0
    )
    shapes = {
        "kernel": (4, 4),
        "convolution": (1, 1, 4, 4),
        "bias": (4,),
        "cls": (1, 1, 4),
        "position": (1, 5, 4),
    }
    variables = {name: keras.Variable(np.ones(shape)) for name, shape in shapes.items()}
    optimizer = make_optimizer(hyperparameters, 10)
    exclude_vectors_from_decay(optimizer, list(variables.values()))
    optimizer.apply([np.zeros(shape) for shape in shapes.values()], list(variables.values()))
    values = {name: float(np.mean(v)) for name, v in variables.items()}
    decayed = {"kernel": pytest.approx(0.95), "convolution": pytest.approx(0.95)}
    assert values == decayed | {"bias": 1, "cls": 1, "position": 1}


def test_steps_of_a_training():
    hyperparameters = Hyperparameters(epochs=3, batch_size=4)
    assert hyperparameters.steps_per_epoch(9) == 3
    assert hyperparameters.total_steps(9) == 9
    assert dataclasses.replace(hyperparameters, steps=5).total_steps(9) == 5
