import numpy as np
import pytest

from trainer.serving.calibration import (
    NOTHING_ACCEPTED,
    Calibration,
    calibrate,
    calibration_bins,
    expected_calibration_error,
    find_temperature,
    find_threshold,
    negative_log_likelihood,
    softmax,
)


def draw_labels(temperature: float, count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Returns random logits, and labels drawn from the softmax of the logits / `temperature`."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=[count, 5]) * 4
    draws = generator.random([count, 1])
    labels = (softmax(logits / temperature).cumsum(-1) < draws).sum(-1)
    return logits.astype(np.float32), labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_by_which_labels_were_drawn_is_found(temperature):
    logits, labels = draw_labels(temperature)
    assert find_temperature(logits, labels) == pytest.approx(temperature, rel=0.05)


def test_calibration_makes_the_error_small():
    logits, labels = draw_labels(3)

    def error(temperature):
        probabilities = softmax(logits / temperature)
        is_right = probabilities.argmax(-1) == labels
        return expected_calibration_error(calibration_bins(probabilities.max(-1), is_right))

    assert error(1) > 0.2
    assert error(calibrate(logits, labels, None).temperature) < 0.02


def test_a_few_correct_images_do_not_lead_to_full_confidence():
    logits = 4 * np.eye(3)
    temperature = find_temperature(logits, np.arange(3))
    assert 0.3 < temperature < 1
    assert softmax(logits / temperature).max() < 0.99999


def test_the_threshold_is_the_lowest_above_which_enough_are_right():
    confidences = np.array([0.9, 0.5, 0.8, 0.7, 0.6])
    is_right = np.array([True, True, True, False, True])
    assert find_threshold(confidences, is_right, 1.0) == pytest.approx(0.75)
    assert find_threshold(confidences, is_right, 0.75) == 0  # 4 of 5 are right
    assert find_threshold(confidences, is_right, 0.81) == pytest.approx(0.75)
    assert find_threshold(confidences, ~is_right, 0.9) == NOTHING_ACCEPTED


def test_predictions_with_the_same_confidence_are_accepted_together():
    confidences = np.array([0.9, 0.9, 0.4])
    assert find_threshold(confidences, np.array([True, False, False]), 1.0) == NOTHING_ACCEPTED


def test_the_threshold_gives_the_same_precision_on_new_images():
    logits, labels = draw_labels(2, 8000)
    found = calibrate(logits[:4000], labels[:4000], 0.9)
    probabilities = softmax(logits[4000:] / found.temperature)
    is_accepted = probabilities.max(-1) >= found.threshold
    is_right = probabilities.argmax(-1) == labels[4000:]
    assert 0.1 < is_accepted.mean() < 0.95
    assert is_right[is_accepted].mean() == pytest.approx(0.9, abs=0.02)


def test_without_a_required_precision_all_predictions_are_accepted():
    assert Calibration().threshold == calibrate(*draw_labels(1, 50), None).threshold == 0


def test_expected_calibration_error_by_hand():
    confidences = np.array([0.9, 0.95, 0.1, 1.0])
    is_right = np.array([True, False, False, True])
    # The confidence 0.9 is in bin 13, the confidences 0.95 and 1.0 are in bin 14, and the
    # confidence 0.1 is in bin 1.
    expected = (abs(0.9 - 1) + abs(1.95 - 1) + 0.1) / 4
    assert expected_calibration_error(calibration_bins(confidences, is_right)) == pytest.approx(
        expected
    )


def test_a_probability_of_zero_has_a_finite_likelihood():
    found = negative_log_likelihood(np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([0, 1]))
    np.testing.assert_allclose(found, [-np.log(1e-7), 0])
