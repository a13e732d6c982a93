"""Uses the features of a backbone to find wrong labels and outliers.

This module does not import TensorFlow, which takes seconds to import.
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from components.data_check.near_duplicates import Pair, group_images

_FOLDS = 5
_LEAST_OF_CLASS = _FOLDS  # classes with fewer images than this are not checked for wrong labels
# In a dataset of similar images, such as X-ray images, the small grey copies of different images
# can have a high correlation. The full data check therefore reports two images as near duplicates
# only if, in the backbone's feature space, each of them is also among the `_NEAREST` nearest
# neighbours of the other image.
_NEAREST = 10
# `find_outliers` computes the mean distance of each image to the `_NEIGHBOURS` nearest images of
# its class.
_NEIGHBOURS = 10
_CHUNK = 512


class WrongLabel(NamedTuple):
    """An image whose label is probably wrong.

    Attributes:
      image: the index of the image.
      score: 1 minus the predicted probability of the image's label, in [0, 1].
      likelier: the index of the class that is more probable than the image's label.
    """

    image: int
    score: float
    likelier: int


def confirm_pairs(pairs: Sequence[Pair], features: np.ndarray) -> list[Pair]:
    """Returns only those pairs whose images also have similar feature vectors.

    Args:
      pairs: pairs of images that look the same.
      features: the features of all images, float32 [N, D].
    """
    unit = _unit(features - features.mean(0))
    images = sorted({image for pair in pairs for image in pair[:2]})
    others: dict[int, list[int]] = {image: [] for image in images}
    for pair in pairs:
        others[pair.first].append(pair.second)
        others[pair.second].append(pair.first)
    near: set[tuple[int, int]] = set()
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        for image, likeness in zip(chunk, unit[chunk] @ unit.T, strict=True):
            likeness[image] = -np.inf
            # `np.partition` finds the k-th largest value without sorting all N values.
            place = max(len(likeness) - _NEAREST, 0)
            least = np.partition(likeness, place)[place]
            near.update((image, other) for other in others[image] if likeness[other] >= least)
    return [
        pair
        for pair in pairs
        if (pair.first, pair.second) in near and (pair.second, pair.first) in near
    ]


def find_wrong_labels(
    features: np.ndarray, labels: np.ndarray, pairs: Iterable[Pair] = ()
) -> list[WrongLabel]:
    """Uses confident learning to find images whose labels are probably wrong.

    For each image, a linear probe that was trained on the features of other images predicts the
    class probabilities. The threshold of a class is the mean predicted probability of the class
    over the images that are labelled with the class. A class is a candidate label of an image if
    its predicted probability is at least the threshold of the class. The label of an image is
    probably wrong if another class is the most probable candidate label (Northcutt, Jiang and
    Chuang, 2021, "Confident Learning", section 3.1). The function does not use the package
    cleanlab, which computes the same result, because the method takes only a few lines of code.

    Args:
      features: float32 [N, D].
      labels: int [N].
      pairs: pairs of images that look the same. The probe that predicts the class of one image of a
        pair is trained without the other image of the pair.

    Returns:
      The images with wrong labels, the most doubtful label first.
    """
    probabilities = predict_out_of_fold(features, labels, pairs)
    of_label = probabilities[np.arange(len(labels)), labels]
    is_judged = ~np.isnan(of_label)
    least = np.full(probabilities.shape[1], np.inf)
    for label in np.unique(labels[is_judged]):
        least[label] = of_label[is_judged & (labels == label)].mean()
    confident = np.where(probabilities >= least, probabilities, -1.0)
    likeliest = confident.argmax(1)
    found = np.flatnonzero(is_judged & (confident.max(1) > 0) & (likeliest != labels))
    wrong = [WrongLabel(int(i), float(1 - of_label[i]), int(likeliest[i])) for i in found]
    return sorted(wrong, key=lambda image: -image.score)


def predict_out_of_fold(
    features: np.ndarray, labels: np.ndarray, pairs: Iterable[Pair] = ()
) -> np.ndarray:
    """Predicts the class probabilities of each image with a linear probe trained on other images.

    The function uses cross-validation, and puts near duplicates into the same fold. Before the
    function trains the probe, it subtracts the mean from the feature vectors, and scales each
    vector to unit length. The arguments are the same as those of `find_wrong_labels`.

    Returns:
      Probabilities, float [N, C] for C classes. The row of an image is NaN if its class has fewer
      than 5 images, or if all images of its class are in the same fold.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    probabilities = np.full((len(labels), labels.max() + 1), np.nan)
    counts = np.bincount(labels)
    judged = np.flatnonzero(counts[labels] >= _LEAST_OF_CLASS)
    if len(np.unique(labels[judged])) < 2:
        return probabilities
    unit, known = _unit(features[judged] - features[judged].mean(0)), labels[judged]
    groups = np.array(group_images(pairs, len(labels)))[judged]
    # Shuffle the images, because they may be sorted by class. Fix the seed, so that every run gives
    # the same result.
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the probe need not converge fully
        for learnt, asked in folds.split(unit, known, groups):
            if len(np.unique(known[learnt])) < 2 or not len(asked):
                continue
            probe = LogisticRegression(C=1.0, max_iter=200).fit(unit[learnt], known[learnt])
            rows = np.zeros((len(asked), probabilities.shape[1]))
            rows[:, probe.classes_] = probe.predict_proba(unit[asked])
            rows[~np.isin(known[asked], probe.classes_)] = np.nan
            probabilities[judged[asked]] = rows
    return probabilities


def find_outliers(features: np.ndarray, labels: np.ndarray) -> list[tuple[int, float]]:
    """Finds images that are far from the other images of their class.

    The distance of an image is the mean cosine distance to the 10 nearest images of its class, as
    in Kuan and Mueller, 2022, "Back to the Basics: Revisiting Out-of-Distribution Detection
    Baselines". An image is an outlier if its distance is larger than Q3 + 1.5 (Q3 - Q1), where Q1
    and Q3 are the first and the third quartile of all computed distances (Tukey, 1977,
    "Exploratory Data Analysis").

    Args:
      features: float32 [N, D].
      labels: int [N].

    Returns:
      The index and the distance of each outlier, the largest distance first. Images of a class with
      at most 10 images are not checked.
    """
    distances = np.full(len(labels), np.nan)
    unit = _unit(features)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) <= _NEIGHBOURS:
            continue
        for start in range(0, len(members), _CHUNK):
            chunk = members[start : start + _CHUNK]
            likeness = unit[chunk] @ unit[members].T
            likeness[np.arange(len(chunk)), np.arange(start, start + len(chunk))] = -np.inf
            nearest = np.partition(likeness, -_NEIGHBOURS, axis=1)[:, -_NEIGHBOURS:]
            distances[chunk] = 1 - nearest.mean(1)
    measured = distances[~np.isnan(distances)]
    if not len(measured):
        return []
    first, third = np.percentile(measured, [25, 75])
    # Images of small classes, whose distance is NaN, are not reported as outliers, because every
    # comparison with NaN is False.
    far = np.flatnonzero(distances > third + 1.5 * (third - first))
    return sorted(((int(i), float(distances[i])) for i in far), key=lambda image: -image[1])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
