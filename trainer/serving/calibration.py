"""Probabilities that mean something, and the answers that should be believed."""

import dataclasses

import numpy as np

# The temperature is searched between these.
_LOWEST, _HIGHEST = 0.05, 20.0
_BINS = 15
# More than any probability: no answer is accepted.
NOTHING_ACCEPTED = 2.0


@dataclasses.dataclass(frozen=True)
class Calibration:
    """How an exported model turns logits into probabilities and a verdict on its answer.

    Attributes:
      temperature: the logits are divided by it before the softmax.
      threshold: an answer whose probability is at least this is accepted.
    """

    temperature: float = 1.0
    threshold: float = 0.0


def calibrate(logits: np.ndarray, labels: np.ndarray, precision: float | None) -> Calibration:
    """Finds temperature and threshold on images that were not trained on.

    Args:
      logits: float [N, C].
      labels: int [N].
      precision: wanted share of right answers among the accepted ones; None accepts all.
    """
    temperature = find_temperature(logits, labels)
    if precision is None:
        return Calibration(temperature)
    probabilities = softmax(logits / temperature)
    is_right = probabilities.argmax(-1) == labels
    return Calibration(temperature, find_threshold(probabilities.max(-1), is_right, precision))


def find_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature of the least negative log likelihood (Guo et al., 2017, section 4.2).

    The logarithm of the temperature has a standard normal prior, which weighs as much as one image:
    without it, a few images that are all answered rightly would ask for a temperature of zero.
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
    """The lowest probability above which so large a share of the answers is right.

    Args:
      confidences: probability of each answer, [N].
      is_right: whether it is right, [N].
      precision: wanted share of right answers.

    Returns:
      Half-way to the next lower probability; 0 to accept all; 2 where nothing can be accepted.
    """
    order = np.argsort(-confidences, kind="stable")
    sorted_confidences = confidences[order]
    share = np.cumsum(is_right[order]) / np.arange(1, len(order) + 1)
    is_end = np.append(np.diff(sorted_confidences) != 0, True)  # of answers as probable
    (enough,) = np.nonzero((share >= precision) & is_end)
    if not len(enough):
        return NOTHING_ACCEPTED
    last = enough[-1]
    if last + 1 == len(order):
        return 0.0
    return float((sorted_confidences[last] + sorted_confidences[last + 1]) / 2)


def softmax(logits: np.ndarray) -> np.ndarray:
    """float [N, C] -> probabilities, float64 [N, C]."""
    exponentials = np.exp(np.float64(logits) - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def negative_log_likelihood(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Of the labels, [N]; a probability below 1e-7 counts as that."""
    return -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-7))


def bins_of(confidences: np.ndarray) -> np.ndarray:
    """The bin of each probability, int [N] from 0 to 14: all bins are equally wide."""
    return np.clip((confidences * _BINS).astype(int), 0, _BINS - 1)


def calibration_bins(confidences: np.ndarray, is_right: np.ndarray) -> np.ndarray:
    """float64 [3, 15]: number of answers, sum of their probabilities, and how many are right."""
    bins = bins_of(confidences)
    weights = (np.ones(len(bins)), confidences, is_right)
    return np.stack([np.bincount(bins, weight, _BINS) for weight in weights])


def expected_calibration_error(bins: np.ndarray) -> float:
    """How far probabilities are from the share of right answers, over `calibration_bins`.

    Naeini et al., 2015: the mean over the answers of the gap in their bin.
    """
    count, confidence, right = bins
    return float(np.abs(confidence - right).sum() / max(count.sum(), 1))
