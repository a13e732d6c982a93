"""Calibrates probabilities, and finds the probability threshold for accepting predictions."""

import dataclasses

import numpy as np

_LOWEST, _HIGHEST = 0.05, 20.0  # the temperatures between which `find_temperature` searches
_BINS = 15
# A threshold that no probability reaches, so that no prediction is accepted.
NOTHING_ACCEPTED = 2.0


@dataclasses.dataclass(frozen=True)
class Calibration:
    """The temperature and the threshold of an exported model.

    Attributes:
      temperature: the divisor of the logits before the softmax.
      threshold: the lowest probability with which a prediction is accepted.
    """

    temperature: float = 1.0
    threshold: float = 0.0


def calibrate(logits: np.ndarray, labels: np.ndarray, precision: float | None) -> Calibration:
    """Finds the temperature and the threshold from images that were not used in training.

    Args:
      logits: the logits of N images, float [N, C].
      labels: the labels of the images, int [N].
      precision: the required share of correct predictions among the accepted predictions; if None,
        all predictions are accepted.
    """
    temperature = find_temperature(logits, labels)
    if precision is None:
        return Calibration(temperature)
    probabilities = softmax(logits / temperature)
    is_right = probabilities.argmax(-1) == labels
    return Calibration(temperature, find_threshold(probabilities.max(-1), is_right, precision))


def find_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the temperature that minimizes the negative log likelihood of the labels.

    The method is temperature scaling: Guo et al., "On Calibration of Modern Neural Networks"
    (2017), section 4.2. Unlike the paper, this function gives the logarithm of the temperature a
    standard normal prior, with the weight of one image. Without the prior, the best temperature
    would be 0 if all images are classified correctly, as a small number of images may be.
    """
    import scipy.optimize

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return negative_log_likelihood(softmax(scaled), labels).sum() + log_temperature**2 / 2

    found = scipy.optimize.minimize_scalar(
        loss, bounds=(np.log(_LOWEST), np.log(_HIGHEST)), method="bounded"
    )
    return float(np.exp(found.x))


def find_threshold(confidences: np.ndarray, is_right: np.ndarray, precision: float) -> float:
    """Returns the lowest threshold with the required share of correct accepted predictions.

    Args:
      confidences: probability of each prediction, [N].
      is_right: whether each prediction is correct, [N].
      precision: the required share of correct predictions among the accepted predictions.

    Returns:
      The mean of the lowest accepted and the highest rejected probability; 0 if all predictions are
      accepted; `NOTHING_ACCEPTED` if no threshold reaches `precision`.
    """
    order = np.argsort(-confidences, kind="stable")
    sorted_confidences = confidences[order]
    share = np.cumsum(is_right[order]) / np.arange(1, len(order) + 1)
    # Predictions with equal probabilities are accepted or rejected together, so a threshold can lie
    # only between two different probabilities.
    is_end = np.append(np.diff(sorted_confidences) != 0, True)
    (enough,) = np.nonzero((share >= precision) & is_end)
    if not len(enough):
        return NOTHING_ACCEPTED
    last = enough[-1]
    if last + 1 == len(order):
        return 0.0
    return float((sorted_confidences[last] + sorted_confidences[last + 1]) / 2)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Maps logits, float [N, C], to probabilities, float64 [N, C]."""
    exponentials = np.exp(np.float64(logits) - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def negative_log_likelihood(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the negative log likelihood of the labels, [N].

    Probabilities below 1e-7 are replaced with 1e-7, so that the logarithm is finite.
    """
    return -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-7))


def bins_of(confidences: np.ndarray) -> np.ndarray:
    """Returns the bin of each probability, int [N] from 0 to 14; all bins are equally wide."""
    return np.clip((confidences * _BINS).astype(int), 0, _BINS - 1)


def calibration_bins(confidences: np.ndarray, is_right: np.ndarray) -> np.ndarray:
    """Groups predictions into bins by their probability, and returns statistics of each bin.

    Returns:
      float64 [3, 15]: for each bin, the number of predictions, the sum of their probabilities, and
      the number of correct predictions.
    """
    bins = bins_of(confidences)
    weights = (np.ones(len(bins)), confidences, is_right)
    return np.stack([np.bincount(bins, weight, _BINS) for weight in weights])


def expected_calibration_error(bins: np.ndarray) -> float:
    """Returns the expected calibration error (Naeini et al., 2015).

    For each bin, the error is the difference between the mean probability and the share of correct
    predictions. The result is the mean of the bins' errors, weighted by the number of predictions
    in each bin.

    Args:
      bins: the result of `calibration_bins`.
    """
    count, confidence, right = bins
    return float(np.abs(confidence - right).sum() / max(count.sum(), 1))
