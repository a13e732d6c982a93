import numpy as np
import pytest

from components.serving_check.answers import answer_for, find_difference, find_faults

CLASSES = ("daisy", "roses")


def outputs(**changes):
    """Returns outputs of a model for an image of a rose and for an invalid file.

    A keyword argument `NAME=value` replaces the output NAME.
    """
    right = {
        "label": np.array([b"roses", b""], object),
        "label_id": np.array([1, -1]),
        "probability": np.array([0.7, 0], np.float32),
        "probabilities": np.array([[0.3, 0.7], [0, 0]], np.float32),
        "valid": np.array([True, False]),
        "accepted": np.array([True, False]),
    }
    return right | {name: np.array(value) for name, value in changes.items()}


def test_correct_outputs_have_no_fault():
    assert list(find_faults(outputs(), 2, CLASSES)) == []
    uncertain = outputs(accepted=[False, False])
    assert list(find_faults(uncertain, 2, CLASSES)) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"probabilities": [[0.3, 0.7]]}, "the output probabilities has the shape (1, 2)"),
        ({"probability": [[0.7], [0.0]]}, "the output probability has the shape (2, 1)"),
        ({"valid": [1, 0]}, "the output valid has the shape (2,) and the type int64"),
        ({"probabilities": [[np.nan, 0.7], [0, 0]]}, "a probability is not finite"),
        ({"probability": [np.inf, 0.0]}, "a probability is not finite"),
        ({"probabilities": [[0.2, 0.7], [0, 0]]}, "have the sum 0.9000"),
        ({"probabilities": [[-0.1, 1.1], [0, 0]], "probability": [1.1, 0]}, "the probability is"),
        (
            {"probability": [0.6, 0.0]},
            "the probability is 0.6000, but the greatest probability is 0.7000",
        ),
        (
            {"label": [b"daisy", b""]},
            "the label is 'daisy', but the label id is 1, which is not its class",
        ),
        ({"label": [b"tulips", b""]}, "the label is 'tulips', but the label id is 1"),
        ({"label_id": [2, -1]}, "the label is 'roses', but the label id is 2"),
        ({"label": [b"roses", b"roses"], "label_id": [1, 1]}, "valid is False, but the label is"),
        ({"valid": [True, True]}, "valid is True, but the label is ''"),
        ({"accepted": [True, True]}, "an image that is not valid has a probability, or is acc"),
        ({"probabilities": [[0.3, 0.7], [1, 0]]}, "an image that is not valid has a probability"),
    ],
)
def test_a_fault_is_named(changes, fault):
    (found,) = find_faults(outputs(**changes), 2, CLASSES)
    assert fault in found


def test_an_output_that_is_missing():
    found = outputs()
    del found["accepted"]
    assert list(find_faults(found, 2, CLASSES)) == ["there is no output accepted"]


def test_answers_to_the_same_image():
    one, garbage = answer_for(outputs(), 0), answer_for(outputs(), 1)
    other = one | {"probabilities": np.array([0.3002, 0.6998])}
    assert find_difference("a.jpg", one, one, 0) == ""
    assert find_difference("a.jpg", one, other, 3e-4) == ""
    assert find_difference("a.jpg", one, other, 1e-4) == "a.jpg: a probability differs by 0.000200"
    assert find_difference("a.jpg", one, garbage, 1) == (
        "a.jpg: valid is True, but False when sent alone"
    )
