import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.model.classifier import make_probe
from trainer.model.linear_probe import fit_linear_probe


def split(seed, classes, count=200):
    """Returns three overlapping clouds in four dimensions with very different scales."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(classes, count)
    features = generator.normal(size=[count, 4]) + np.eye(4)[labels] * 3
    return (
        tf.constant(features * [1, 100, 0.01, 1] + 5, tf.float32),
        tf.constant(labels, tf.int64),
    )


@pytest.mark.parametrize("classes", [[0, 1], [0, 1, 3]], ids=["two", "one missing"])
def test_the_head_answers_like_the_regression(tmp_path, classes):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, validation = split(0, classes), split(1, classes)
    model = make_probe(4, max(classes) + 1)
    fit_linear_probe(model.get_layer("head"), train, validation, log_dir=str(tmp_path))
    tried = json.loads((tmp_path / "linear_probe.json").read_text())
    best = max(tried, key=lambda entry: entry["val_accuracy"])  # the first of the best
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=1 / best["strength"]))
    probe.fit(train[0].numpy(), train[1].numpy())
    probabilities = keras.ops.softmax(model(validation[0])).numpy()
    expected = probe.predict_proba(validation[0].numpy())
    np.testing.assert_allclose(probabilities[:, classes], expected, atol=2e-3)
    assert (probabilities.argmax(-1) == validation[1].numpy()).mean() == best["val_accuracy"] > 0.8


def test_balanced_classes_weigh_the_same(tmp_path):
    rare = split(0, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    found = []
    for balanced in (False, True):
        model = make_probe(4, 2)
        fit_linear_probe(
            model.get_layer("head"), rare, rare, balanced=balanced, log_dir=str(tmp_path)
        )
        found.append(keras.ops.softmax(model(rare[0])).numpy()[:, 1].mean())
    assert found[0] == pytest.approx(0.1, abs=0.03)  # as frequent as it is
    assert found[1] > found[0]
