"""The standard linear probe: logistic regression on frozen features, by L-BFGS."""

import json
import logging
import os
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from common.files import write_whole

logger = logging.getLogger(__name__)

# Strengths of L2 regularisation (scikit-learn's 1 / C) that are tried, from strong to weak.
_STRENGTHS = tuple(10.0**exponent for exponent in (2, 1.5, 1, 0.5, 0, -0.5, -1, -2, -3))
_ITERATIONS = 1000
_UNSEEN = 20.0  # negated logit of classes without an example: a probability below 2.1e-9


def fit_linear_probe(
    head: keras.layers.Layer,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    *,
    balanced: bool = False,
    log_dir: str,
) -> None:
    """Sets `head` to the logistic regression that is best on the validation split.

    The features are standardised, and the standardisation is folded into the head's weights.
    Classes without an example get a probability of almost 0.

    Args:
      head: of `trainer.model.classifier.make_head`, built.
      train: features, float32 [N, D], and labels, int64 [N]. The features are overwritten: they
        are standardised where they lie, since they may fill half of the memory.
      validation: features and labels of the validation split, shaped as in `train`.
      balanced: whether all classes count equally, however many examples each has.
      log_dir: the directory where `linear_probe.json` lists the strengths that were tried.
    """
    from sklearn.linear_model import LogisticRegression

    (features, labels), (held_out, held_labels) = train, validation
    mean = features.mean(0)
    features -= mean
    # Without the copy of all features that NumPy's own `std` makes.
    deviation = np.sqrt(np.einsum("nd,nd->d", features, features) / len(features)) + 1e-6
    features /= deviation
    held_out -= mean
    held_out /= deviation
    weights = "balanced" if balanced else None
    best: tuple[float, Any] = (-1.0, None)
    tried = []
    for strength in _STRENGTHS:
        probe = LogisticRegression(C=1 / strength, max_iter=_ITERATIONS, class_weight=weights)
        probe.fit(features, labels)
        accuracy = probe.score(held_out, held_labels)
        tried.append({"strength": strength, "val_accuracy": accuracy})
        logger.info("L2 strength %g: validation accuracy %.4f", strength, accuracy)
        if accuracy > best[0]:
            best = accuracy, probe
    _set_head(head, best[1], mean, deviation)
    tf.io.gfile.makedirs(log_dir)
    write_whole(os.path.join(log_dir, "linear_probe.json"), json.dumps(tried, indent=1))


def _set_head(
    head: keras.layers.Layer,
    probe: Any,  # a LogisticRegression of scikit-learn
    mean: np.ndarray,
    deviation: np.ndarray,
) -> None:
    kernel, bias = head.get_weights()
    coefficients, intercepts = probe.coef_, probe.intercept_
    if len(probe.classes_) == 2:  # scikit-learn has one row for two classes
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    # Softmax is the same without the mean over the classes, and then the logits of the classes with
    # examples add up to 0: the greatest is at least 0. The loss stays small where label smoothing
    # gives a share to the other classes.
    coefficients = coefficients - coefficients.mean(0)
    intercepts = intercepts - intercepts.mean()
    bias[:] = -_UNSEEN
    scaled = coefficients / deviation
    kernel[:, probe.classes_] = scaled.T
    bias[probe.classes_] = intercepts - scaled @ mean
    head.set_weights([kernel, bias])
