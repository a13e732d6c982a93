import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.training.losses import balanced_class_weights, cross_entropy

LOGITS = tf.constant([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]])
LABELS = tf.one_hot([0, 2], 3)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_that_of_keras(smoothing):
    losses = cross_entropy(LABELS, LOGITS, smoothing=smoothing)
    expected = keras.losses.categorical_crossentropy(
        LABELS, LOGITS, from_logits=True, label_smoothing=smoothing
    )
    np.testing.assert_allclose(losses, expected, rtol=1e-6)


def test_class_weights_are_factors_of_each_image():
    plain = cross_entropy(LABELS, LOGITS)
    weighted = cross_entropy(LABELS, LOGITS, class_weights=[2.0, 1.0, 0.5])
    np.testing.assert_allclose(weighted, plain * [2.0, 0.5], rtol=1e-6)


def test_balanced_classes_weigh_the_same():
    weights = balanced_class_weights([8, 2, 0])
    assert 8 * weights[0] == pytest.approx(2 * weights[1])
    assert weights[2] == 0
    assert 8 * weights[0] + 2 * weights[1] == pytest.approx(10)
