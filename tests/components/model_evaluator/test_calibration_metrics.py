from types import SimpleNamespace

import numpy as np
import pytest

from components.model_evaluator import calibration_metrics
from components.model_evaluator.calibration_metrics import (
    ACCEPTED_ACCURACY,
    COVERAGE,
    ECE,
    NLL,
    CalibrationMetrics,
)

# Outputs of the extractor `count_invalid_as_wrong`; the last image is invalid.
ANSWERS = {
    "probabilities": np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.6, 0.4, 0], [0, 0, 1]]),
    "valid": np.array([True, True, True, False]),
    "accepted": np.array([True, True, False, False]),
}
LABELS = np.array([0, 0, 1, 0])


def compute_metrics(model, predictions_of, labels_of=lambda label: label):
    """Computes the metrics as TFMA does: merges two accumulators, each with half of the images."""
    computations = CalibrationMetrics().computations(model_names=[model])
    (computation,) = computations
    combiner = computation.combiner
    parts = [combiner.create_accumulator(), combiner.create_accumulator()]
    for index, label in enumerate(LABELS):
        answers = {name: values[index] for name, values in ANSWERS.items()}
        element = SimpleNamespace(
            predictions=predictions_of(answers), labels=labels_of(np.array([label]))
        )
        parts[index % 2] = combiner.add_input(parts[index % 2], element)
    found = combiner.extract_output(combiner.merge_accumulators(parts))
    assert set(found) == set(computation.keys)
    return {key.name: value for key, value in found.items()}


@pytest.mark.parametrize("model", ["", "candidate"])
def test_the_four_metrics(model):
    def predictions_of(answers):
        return {"candidate": answers, "baseline": {}} if model else answers

    def labels_of(label):
        return {"candidate": label, "baseline": label} if model else label

    found = compute_metrics(model, predictions_of, labels_of)
    assert found[COVERAGE] == 0.5
    assert found[ACCEPTED_ACCURACY] == 0.5
    likelihoods = -np.log([0.9, 0.2, 0.4, 1e-7])
    assert found[NLL] == pytest.approx(likelihoods.mean())
    # The invalid image counts as a prediction with the accuracy 0 and the confidence 0, so its
    # calibration error is 0.
    assert found[ECE] == pytest.approx((abs(0.9 - 1) + 0.8 + 0.6 + 0) / 4)


def test_metrics_without_an_accepted_prediction():
    sums = calibration_metrics.measure(ANSWERS | {"accepted": np.zeros(4, bool)}, LABELS)
    (computation,) = CalibrationMetrics().computations(model_names=[""])
    found = computation.combiner.extract_output(sums)
    values = {key.name: value for key, value in found.items()}
    assert (values[COVERAGE], values[ACCEPTED_ACCURACY]) == (0, 1)


def test_a_model_without_the_output_accepted_accepts_all():
    answers = {"probabilities": ANSWERS["probabilities"]}
    totals, _ = calibration_metrics.measure(answers, LABELS)
    assert list(totals[:3]) == [4, 4, 1]
