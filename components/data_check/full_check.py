"""The full data check, which finds what `DataCheck` finds, and also wrong labels and outliers."""

from collections.abc import Iterator, Sequence

import numpy as np

from components.data_check.feature_issues import confirm_pairs, find_outliers, find_wrong_labels
from components.data_check.issues import (
    LABEL,
    OUTLIER,
    Issue,
    describe_pairs,
    find_appearance_issues,
    find_pairs,
    sort_issues,
)
from components.data_check.measure import ImageRecord
from components.data_check.near_duplicates import Pair


def find_all_issues(
    records: Sequence[ImageRecord], features: np.ndarray, classes: Sequence[str]
) -> list[Issue]:
    """Finds all issues; sorts them by kind, and then by score with the most severe issue first.

    A pair of images that look the same is an issue only if their feature vectors are also similar.

    Args:
      records: the measured values of N images.
      features: the features of the images, float32 [N, D].
      classes: the class names.
    """
    pairs = confirm_pairs(find_pairs(records), features)
    return sort_issues(
        [
            *describe_pairs(pairs, records, classes),
            *_describe_images(records, features, pairs, classes),
            *find_appearance_issues(records, classes),
        ]
    )


def _describe_images(
    records: Sequence[ImageRecord],
    features: np.ndarray,
    pairs: Sequence[Pair],
    classes: Sequence[str],
) -> Iterator[Issue]:
    labels = np.array([record.label for record in records])
    wrong = find_wrong_labels(features, labels, pairs)
    for found in wrong:
        record = records[found.image]
        yield Issue(
            kind=LABEL,
            score=round(found.score, 4),
            label=classes[record.label],
            file_name=record.file_name,
            split=record.split,
            other_label=classes[found.likelier],
        )
    named = {found.image for found in wrong}
    for index, distance in find_outliers(features, labels):
        if index not in named:
            record = records[index]
            yield Issue(
                kind=OUTLIER,
                score=round(min(distance, 1.0), 4),
                label=classes[record.label],
                file_name=record.file_name,
                split=record.split,
            )
