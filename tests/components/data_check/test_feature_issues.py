"""Tests of the full data check, on generated clusters of features."""

import numpy as np
import pytest

from components.data_check.feature_issues import (
    confirm_pairs,
    find_outliers,
    find_wrong_labels,
    predict_out_of_fold,
)
from components.data_check.full_check import find_all_issues
from components.data_check.issues import CONFLICT, LABEL, OUTLIER, format_issues
from components.data_check.near_duplicates import Pair
from tests.components.data_check.test_issues import CLASSES, draw, record

PER_CLASS, WIDTH = 30, 16
LABELS = np.repeat(np.arange(3), PER_CLASS)


@pytest.fixture(scope="module")
def features():
    """Returns features of three classes that overlap little, float32 [90, 16]."""
    random = np.random.default_rng(0)
    centres = 4 * np.eye(3, WIDTH)
    return (5 + centres[LABELS] + random.normal(size=(len(LABELS), WIDTH))).astype(np.float32)


def test_swapped_labels_are_found_with_their_true_class(features):
    swapped = {3: 1, 40: 2, 70: 0}
    given = LABELS.copy()
    given[list(swapped)] = list(swapped.values())
    found = find_wrong_labels(features, given)
    assert {image.image for image in found[:3]} == set(swapped)
    assert all(image.likelier == LABELS[image.image] for image in found[:3])
    assert len(found) <= 4
    assert found == sorted(found, key=lambda image: -image.score)
    assert all(0 <= image.score <= 1 for image in found)


def test_two_copies_with_the_same_wrong_label_do_not_confirm_each_other(features):
    copies = 6  # with the original, 7 equal images; a fold has about 6 images of each class
    together = np.concatenate([features, np.repeat(features[:1], copies, axis=0)])
    given = np.concatenate([LABELS, np.full(copies, 1)])
    given[0] = 1
    pairs = [Pair(0, len(LABELS) + copy, 1.0) for copy in range(copies)]
    found = {image.image for image in find_wrong_labels(together, given, pairs)}
    assert {0, *range(len(LABELS), len(given))} <= found


def test_a_class_with_few_images_is_not_judged(features):
    given = np.where(np.arange(len(LABELS)) < 3, 3, LABELS)
    probabilities = predict_out_of_fold(features, given)
    assert np.isnan(probabilities[:3]).all()
    np.testing.assert_allclose(probabilities[3:].sum(1), 1)
    assert not {0, 1, 2} & {image.image for image in find_wrong_labels(features, given)}


def test_a_class_whose_images_are_all_the_same_is_not_judged(features):
    """If all images of a class are copies of one image, no linear probe can judge this class.

    Copies of an image are always in the same fold of the cross-validation. The linear probe that
    judges the labels in a fold is trained on the other folds. If all copies are in the judged fold,
    the probe is trained without any image of their class.
    """
    pairs = [Pair(0, other, 1.0) for other in range(1, PER_CLASS)]
    probabilities = predict_out_of_fold(features, LABELS, pairs)
    assert np.isnan(probabilities[:PER_CLASS]).all()
    assert not any(image.image < PER_CLASS for image in find_wrong_labels(features, LABELS, pairs))


def test_a_single_class_has_no_wrong_label(features):
    assert find_wrong_labels(features, np.zeros(len(LABELS), np.int64)) == []


def test_outliers(features):
    odd = np.array([-5.0, 5.0] * (WIDTH // 2), np.float32)
    found = find_outliers(np.vstack([features, odd]), np.append(LABELS, 1))
    assert found[0][0] == len(LABELS)
    assert len(found) < 8
    assert find_outliers(features[:10], LABELS[:10]) == []


def test_pairs_that_features_do_not_confirm_are_dropped(features):
    near = np.concatenate([features, features[:1] + 0.1])
    same, different = Pair(0, len(LABELS), 0.97), Pair(1, 80, 0.97)
    assert confirm_pairs([same, different], near) == [same]
    assert confirm_pairs([], near) == []


def test_the_issues_of_the_full_check(features):
    images = [draw(seed) for seed in range(len(LABELS))] + [draw(7)]
    given = np.append(LABELS, 1)  # the last image is a copy of image 7, which has class 0
    given[40] = 2
    records = [
        record(image, f"{index}.jpg", label=label)
        for index, (image, label) in enumerate(zip(images, given, strict=True))
    ]
    odd = np.array([-5.0, 5.0] * (WIDTH // 2), np.float32)
    seen = np.vstack([features, features[7:8]])
    seen[60] = odd
    issues = find_all_issues(records, seen, CLASSES)
    (conflict,) = [issue for issue in issues if issue.kind == CONFLICT]
    assert (conflict.file_name, conflict.other) == ("7.jpg", "90.jpg")
    wrong = {issue.file_name: issue for issue in issues if issue.kind == LABEL}
    assert (wrong["40.jpg"].label, wrong["40.jpg"].other_label) == ("emu", "dog")
    assert wrong["90.jpg"].other_label == "cat"
    outliers = [issue.file_name for issue in issues if issue.kind == OUTLIER]
    assert "60.jpg" in {*outliers, *wrong}
    assert not set(outliers) & set(wrong)
    assert len(format_issues(issues).splitlines()) == len(issues)
