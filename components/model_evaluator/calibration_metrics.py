"""Metrics for TFMA that measure how well probabilities are calibrated; TFMA itself has no
calibration metrics.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types

from trainer.serving.calibration import (
    calibration_bins,
    expected_calibration_error,
    negative_log_likelihood,
)

ECE, NLL = "expected_calibration_error", "negative_log_likelihood"
COVERAGE, ACCEPTED_ACCURACY = "coverage", "accepted_accuracy"
NAMES = (ECE, NLL, COVERAGE, ACCEPTED_ACCURACY)

# The first array of `_Sums` has four elements: the number of predictions, the number of accepted
# predictions, the number of accepted and correct predictions, and the sum of all negative log
# likelihoods. The second array of `_Sums` contains the counts and sums for each bin of
# probabilities, as `calibration_bins` returns them.
_Sums = tuple[np.ndarray, np.ndarray]


class CalibrationMetrics(metric_types.Metric):
    """Four metrics that are computed in one pass over the predictions.

    - `expected_calibration_error`, with 15 bins.
    - `negative_log_likelihood`. For an undecodable image, the model outputs a probability of 0,
      which counts as 1e-7, so that the logarithm is finite.
    - `coverage`, the share of accepted predictions.
    - `accepted_accuracy`, the share of correct predictions among the accepted predictions; 1 if no
      prediction is accepted.
    """

    def __init__(self, name: str = "calibration_metrics") -> None:
        super().__init__(_make_computations, name=name)


metric_types.register_metric(CalibrationMetrics)


def _make_computations(
    name: str = "",
    eval_config: Any = None,
    model_names: Iterable[str] = ("",),
    output_names: Iterable[str] = ("",),
    example_weighted: bool = False,
) -> metric_types.MetricComputations:
    del name, eval_config, output_names, example_weighted
    return [
        metric_types.MetricComputation(
            keys=[metric_types.MetricKey(name, model_name=model) for name in NAMES],
            preprocessors=None,
            combiner=_Combiner(model),
        )
        for model in model_names
    ]


class _Combiner(beam.CombineFn):
    """Sums the statistics of one model's predictions over all batches."""

    def __init__(self, model: str) -> None:
        self._model = model

    def create_accumulator(self) -> _Sums:
        return np.zeros(4), np.zeros([3, 15])

    def add_input(self, sums: _Sums, element: Any) -> _Sums:
        answers = _get_outputs(element.predictions, self._model)
        totals, bins = measure(answers, np.ravel(_get_labels(element.labels)))
        return sums[0] + totals, sums[1] + bins

    def merge_accumulators(self, accumulators: Iterable[_Sums]) -> _Sums:
        totals, bins = zip(*accumulators, strict=True)
        return np.sum(totals, 0), np.sum(bins, 0)

    def extract_output(self, sums: _Sums) -> dict[metric_types.MetricKey, float]:
        (count, accepted, accepted_right, likelihood), bins = sums
        values = {
            ECE: expected_calibration_error(bins),
            NLL: likelihood / max(count, 1),
            COVERAGE: accepted / max(count, 1),
            ACCEPTED_ACCURACY: accepted_right / accepted if accepted else 1.0,
        }
        return {
            metric_types.MetricKey(name, model_name=self._model): float(value)
            for name, value in values.items()
        }


def _get_outputs(predictions: Any, model: str) -> Mapping[str, Any]:
    """Returns the outputs of a model by name.

    `predictions` is an array of probabilities, a dictionary of the outputs of one model, or a
    dictionary from the names of several models to their outputs.
    """
    if not isinstance(predictions, Mapping):
        return {"probabilities": predictions}
    return predictions.get(model, predictions)


def _get_labels(values: Any) -> Any:
    """Returns the labels of a batch; for several models, TFMA passes the same labels once per
    model.
    """
    return next(iter(values.values())) if isinstance(values, Mapping) else values


def measure(answers: Mapping[str, Any], labels: np.ndarray) -> _Sums:
    """Computes the calibration statistics of a model's predictions for N images.

    Args:
      answers: the outputs of the model by name: `probabilities` and, if the model has them,
        `accepted` and `valid`. The shape of `probabilities` is [N, C + 1], or [C + 1] for a single
        image; the last class is the class that `extractors.count_invalid_as_wrong` adds.
      labels: the class index of each image, int [N].
    """
    probabilities = np.reshape(answers["probabilities"], [len(labels), -1])
    accepted = np.reshape(answers.get("accepted", np.ones(len(labels))), -1).astype(bool)
    is_right = probabilities.argmax(-1) == labels
    # For an undecodable image, `probabilities.max` is 1, because `count_invalid_as_wrong` adds a
    # class with the probability 1. The calibration bins use 0 instead, the probability that the
    # model itself outputs for each class.
    is_valid = np.reshape(answers.get("valid", np.ones(len(labels))), -1).astype(bool)
    confidences = np.where(is_valid, probabilities.max(-1), 0)
    likelihood = negative_log_likelihood(probabilities, labels)
    totals = [len(labels), accepted.sum(), (accepted & is_right).sum(), likelihood.sum()]
    return np.array(totals, np.float64), calibration_bins(confidences, is_right)
