"""Tests of the figures that the report derives from predictions of test images."""

import numpy as np
import pytest

from components.report.answers import NOT_VALID, Answers, Share

COLUMNS = {
    "file_name": ["a", "b", "c", "d", "e"],
    "label": ["cat", "cat", "cat", "dog", "dog"],
    "predicted": ["cat", "dog", "dog", "dog", ""],
    "probability": [0.9, 0.8, 0.6, 0.95, 0.0],
    "accepted": [True, True, False, True, False],
    "champion_predicted": ["cat", "cat", "dog", "dog", "dog"],
}


@pytest.fixture
def answers():
    return Answers.from_columns(COLUMNS, ["cat", "dog", "emu"])


def test_shares_of_right_answers(answers):
    assert (answers.accuracy.hits, answers.accuracy.of) == (2, 5)
    assert answers.champion_accuracy.value == 0.8
    without = Answers.from_columns(COLUMNS | {"champion_predicted": [None] * 5}, ["cat", "dog"])
    assert without.champion_accuracy is None
    assert (Share.count(0, 0).low, Share.count(0, 0).high) == (0, 1)


def test_an_invalid_image_is_a_prediction_of_its_own(answers):
    assert answers.confusion().tolist() == [[1, 2, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]]
    assert [pair[:3] for pair in answers.worst_pairs()] == [
        ("cat", "dog", 2),
        ("dog", NOT_VALID, 1),
    ]


def test_classes_are_sorted_by_recall_and_those_without_images_are_last(answers):
    rows = answers.by_class()
    assert [row.name for row in rows] == ["cat", "dog", "emu"]
    assert (rows[0].recall.hits, rows[0].recall.of) == (1, 3)
    assert (rows[1].precision.hits, rows[1].precision.of) == (1, 3)


def test_the_most_confident_mistakes_are_chosen_with_some_of_each_class(answers):
    assert answers.confidently_wrong(most=2, most_of_class=1) == [1, 4]
    assert answers.confidently_wrong(most=2, most_of_class=2) == [1, 2]
    assert answers.confidently_wrong(most=9, most_of_class=1) == [1, 2, 4]


def test_curves_of_confidence(answers):
    rows = answers.coverage()
    assert [row["coverage"] for row in rows] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1])
    assert [row["accuracy"] for row in rows] == pytest.approx([1, 1, 2 / 3, 0.5, 0.4])
    assert sum(row["images"] for row in answers.reliability()) == 5
    assert answers.calibration_error == pytest.approx(
        (abs(0.9 + 0.95 - 2) + 0.8 + 0.6) / 5, abs=1e-6
    ) or np.isclose(answers.calibration_error, (0.1 + 0.05 + 0.8 + 0.6) / 5)
