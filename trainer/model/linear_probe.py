"""The linear probe: logistic regression on frozen features, fitted with L-BFGS."""

import json
import logging
import os
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from common.files import write_whole

logger = logging.getLogger(__name__)

# The strengths of L2 regularisation (scikit-learn's 1 / C) to try, from strong to weak.
_STRENGTHS = tuple(10.0**exponent for exponent in (2, 1.5, 1, 0.5, 0, -0.5, -1, -2, -3))
_ITERATIONS = 1000
_ABSENT_LOGIT = -20.0  # the logit of classes without examples: their probability is below 2.1e-9


def fit_linear_probe(
    head: keras.layers.Layer,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    *,
    balanced: bool = False,
    log_dir: str,
) -> None:
    """Fits the weights of `head` by logistic regression.

    Of several strengths of regularisation, the function uses the one with the best validation
    accuracy. It fits standardised features, and then converts the coefficients into weights for
    features that are not standardised. Classes without examples get a probability of almost 0.

    Args:
      head: the head of a model that `trainer.model.classifier` built.
      train: features, float32 [N, D], and labels, int64 [N]. The standardised features overwrite
        the original features, because the features may take half of the memory, which leaves no
        room for a copy.
      validation: features and labels of the validation split, shaped and overwritten as in `train`.
      balanced: whether to weight examples so that all classes have the same total weight.
      log_dir: the directory of `linear_probe.json`, which lists the regularisation strengths that
        were tried.
    """
    from sklearn.linear_model import LogisticRegression

    (features, labels), (held_out, held_labels) = train, validation
    mean = features.mean(0)
    features -= mean
    # `features.std(0)` would need memory for a temporary copy of the features; `einsum` does not.
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
    probe: Any,  # scikit-learn's LogisticRegression
    mean: np.ndarray,
    deviation: np.ndarray,
) -> None:
    kernel, bias = head.get_weights()
    coefficients, intercepts = probe.coef_, probe.intercept_
    if len(probe.classes_) == 2:  # for two classes, `coef_` has one row, not two
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    # The logits of the classes with examples are shifted so that their mean is 0, which does not
    # change the softmax over these classes. Their greatest logit is then at least 0, and thus above
    # `_ABSENT_LOGIT`, the logit of the classes without examples. The distance to `_ABSENT_LOGIT`
    # stays moderate, which keeps the loss small, although label smoothing gives each class without
    # examples a share of each label.
    coefficients = coefficients - coefficients.mean(0)
    intercepts = intercepts - intercepts.mean()
    bias[:] = _ABSENT_LOGIT
    scaled = coefficients / deviation
    kernel[:, probe.classes_] = scaled.T
    bias[probe.classes_] = intercepts - scaled @ mean
    head.set_weights([kernel, bias])
