import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.model.classifier import make_probe
from trainer.model.linear_probe import fit_linear_probe
from trainer.training.losses import cross_entropy


def split(seed, classes, count=200):
    """Returns features and labels. The points of each class form a cloud, and the clouds overlap.

    The four features have different scales.
    """
    generator = np.random.default_rng(seed)
    labels = generator.choice(classes, count)
    features = generator.normal(size=[count, 4]) + np.eye(4)[labels] * 3
    return (features * [1, 100, 0.01, 1] + 5).astype(np.float32), labels


@pytest.mark.parametrize("classes", [[0, 1], [0, 1, 3]], ids=["two", "one missing"])
def test_the_head_predicts_the_same_as_the_regression(tmp_path, classes):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, validation = split(0, classes), split(1, classes)
    # `fit_linear_probe` overwrites the features that it gets, so the test makes the data twice.
    given = split(0, classes), split(1, classes)
    model = make_probe(4, max(classes) + 1)
    fit_linear_probe(model.get_layer("head"), *given, log_dir=str(tmp_path))
    tried = json.loads((tmp_path / "linear_probe.json").read_text())
    # If several regularization strengths have the best accuracy, `fit_linear_probe` chooses the
    # first of them, as `max` does.
    best = max(tried, key=lambda entry: entry["val_accuracy"])
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=1 / best["strength"]))
    probe.fit(*train)
    probabilities = keras.ops.softmax(model(validation[0])).numpy()
    expected = probe.predict_proba(validation[0])
    np.testing.assert_allclose(probabilities[:, classes], expected, atol=2e-3)
    assert (probabilities.argmax(-1) == validation[1]).mean() == best["val_accuracy"] > 0.8
    missing = [label for label in range(max(classes) + 1) if label not in classes]
    assert (probabilities[:, missing] < 3e-9).all()


def test_label_smoothing_after_a_probe_costs_little_for_a_class_without_an_example(tmp_path):
    """If the logit of a class without an example were -1e4, a label smoothing of 0.1 over four
    classes would add 250 to the loss."""
    model = make_probe(4, 4)
    fit_linear_probe(
        model.get_layer("head"), split(0, [0, 1, 3]), split(1, [0, 1, 3]), log_dir=str(tmp_path)
    )
    features, labels = split(0, [0, 1, 3])
    losses = cross_entropy(tf.one_hot(labels, 4), model(features), smoothing=0.1)
    assert float(tf.reduce_mean(losses)) < 2


def test_features_are_standardised_in_place(tmp_path):
    train, validation = split(0, [0, 1]), split(1, [0, 1])
    held = train[0]
    fit_linear_probe(make_probe(4, 2).get_layer("head"), train, validation, log_dir=str(tmp_path))
    assert train[0] is held
    np.testing.assert_allclose(held.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(held.std(0), 1, atol=1e-3)


def test_balanced_classes_weigh_the_same(tmp_path):
    rare = split(0, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    found = []
    for balanced in (False, True):
        model = make_probe(4, 2)
        fit_linear_probe(
            model.get_layer("head"),
            split(0, [0] * 9 + [1]),
            split(0, [0] * 9 + [1]),
            balanced=balanced,
            log_dir=str(tmp_path),
        )
        found.append(keras.ops.softmax(model(rare[0])).numpy()[:, 1].mean())
    assert found[0] == pytest.approx(0.1, abs=0.03)  # 0.1 is the share of the rare class
    assert found[1] > found[0]
