"""The predictions of a model for the test images, and the metrics that a report computes from them.

This module does not import TensorFlow, which takes seconds to import.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from common.interval import wilson_interval
from trainer.serving.calibration import calibration_bins, expected_calibration_error

NOT_VALID = "not valid"  # shown as the predicted class if the model could not decode an image


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """The predictions of one model for N test images.

    Attributes:
      classes: the names of the C classes.
      files: names of the images, str [N].
      labels: index of each image's class, int [N].
      predicted: index of the predicted class of each image, int [N]; C if the model could not
        decode the image.
      probabilities: the probabilities of the predicted classes, float [N] in [0, 1].
      accepted: for each prediction, whether the model accepts it, bool [N].
      champion: index of the class that the champion predicts for each image, int [N]; None if there
        was no champion.
    """

    classes: Sequence[str]
    files: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    accepted: np.ndarray
    champion: np.ndarray | None = None

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any], classes: Sequence[str]) -> "Answers":
        """Creates an instance from the columns of Evaluator's `predictions.parquet`."""
        index = {name: label for label, name in enumerate(classes)}

        def indices(names: Sequence[str | None]) -> np.ndarray:
            return np.array([index.get(name or "", len(classes)) for name in names], np.int64)

        champion = columns["champion_predicted"]
        return cls(
            classes=tuple(classes),
            files=np.array(columns["file_name"], object),
            labels=indices(columns["label"]),
            predicted=indices(columns["predicted"]),
            probabilities=np.array(columns["probability"], np.float64),
            accepted=np.array(columns["accepted"], bool),
            champion=None if all(name is None for name in champion) else indices(champion),
        )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def is_right(self) -> np.ndarray:
        """For each prediction, whether it is correct, bool [N]."""
        return self.predicted == self.labels

    @property
    def accuracy(self) -> "Share":
        """The share of correct predictions."""
        return Share.from_flags(self.is_right)

    @property
    def champion_accuracy(self) -> "Share | None":
        """The champion's share of correct predictions; None if there was no champion."""
        return None if self.champion is None else Share.from_flags(self.champion == self.labels)

    @property
    def calibration_error(self) -> float:
        """The expected calibration error, in [0, 1]."""
        return expected_calibration_error(calibration_bins(self.probabilities, self.is_right))

    def name(self, label: int) -> str:
        """Returns the name of a class, or NOT_VALID."""
        return self.classes[label] if label < len(self.classes) else NOT_VALID

    def confusion(self) -> np.ndarray:
        """Returns the confusion matrix, which consists of numbers of images, int [C, C + 1].

        There is a row for each class of the images, and a column for each predicted class. The last
        column counts the images that the model could not decode.
        """
        counts = np.zeros([len(self.classes), len(self.classes) + 1], np.int64)
        np.add.at(counts, (self.labels, self.predicted), 1)
        return counts

    def by_class(self) -> list["ClassResult"]:
        """Returns the results of the classes, the class with the lowest recall first.

        Classes without a test image come last.
        """
        counts = self.confusion()
        images, answers = counts.sum(1), counts.sum(0)
        results = [
            ClassResult(
                name=name,
                label=label,
                recall=Share.count(int(counts[label, label]), int(images[label])),
                precision=Share.count(int(counts[label, label]), int(answers[label])),
            )
            for label, name in enumerate(self.classes)
        ]
        return sorted(results, key=lambda r: (not r.recall.of, r.recall.value, r.precision.value))

    def worst_pairs(self) -> list[tuple[str, str, int, "Share"]]:
        """Lists which classes the model confuses, the most frequent confusion first.

        Each entry consists of the correct class, the predicted class, the number of confused
        images, and their share of all images of the correct class.
        """
        counts = self.confusion()
        images = counts.sum(1)
        pairs = [
            (label, answer, int(counts[label, answer]))
            for label, answer in np.argwhere(counts).tolist()
            if label != answer
        ]
        pairs.sort(key=lambda pair: (-pair[2], -pair[2] / images[pair[0]], pair[0], pair[1]))
        return [
            (self.name(label), self.name(answer), n, Share.count(n, int(images[label])))
            for label, answer, n in pairs
        ]

    def confidently_wrong(self, most: int, most_of_class: int) -> list[int]:
        """Chooses wrong predictions, and returns their indices, the most probable prediction first.

        Args:
          most: the largest number of predictions that are chosen.
          most_of_class: the largest number of predictions that are chosen for images of one class.
            The function exceeds `most_of_class` only if it would otherwise choose fewer than `most`
            predictions.
        """
        wrong = np.flatnonzero(~self.is_right)
        wrong = wrong[np.argsort(-self.probabilities[wrong], kind="stable")]
        place: dict[int, int] = {}
        order = []
        for index in wrong.tolist():
            label = int(self.labels[index])
            place[label] = place.get(label, 0) + 1
            order.append((place[label] > most_of_class, index))
        chosen = {index for _, index in sorted(order, key=lambda entry: entry[0])[:most]}
        return [index for index in wrong.tolist() if index in chosen]

    def reliability(self) -> list[dict[str, float]]:
        """Returns the points of a reliability diagram: one for each bin of probabilities that
        contains a prediction.

        Each point of the diagram consists of the mean probability of the predictions in the bin,
        the share of correct predictions with its confidence interval, and the number of images.
        """
        counts, sums, right = calibration_bins(self.probabilities, self.is_right)
        rows = []
        for number, total, hits in zip(counts, sums, right, strict=True):
            if number:
                share = Share.count(int(hits), int(number))
                rows.append(
                    {
                        "probability": total / number,
                        "right": share.value,
                        "low": share.low,
                        "high": share.high,
                        "images": int(number),
                    }
                )
        return rows

    def coverage(self, points: int = 200) -> list[dict[str, float]]:
        """Returns the points of a coverage curve.

        For up to `points` values of k, a point of the curve describes the k most probable
        predictions by their share of all predictions, their accuracy, and the lowest probability
        among them.
        """
        order = np.argsort(-self.probabilities, kind="stable")
        accuracy = np.cumsum(self.is_right[order]) / np.arange(1, len(order) + 1)
        ends = np.unique(np.linspace(1, len(order), min(points, len(order))).round().astype(int))
        return [
            {
                "coverage": float(end / len(order)),
                "accuracy": float(accuracy[end - 1]),
                "probability": float(self.probabilities[order[end - 1]]),
            }
            for end in ends
        ]


@dataclasses.dataclass(frozen=True)
class Share:
    """A share of images, such as an accuracy, with its 95 % confidence interval (Wilson).

    Attributes:
      hits: the numerator, such as the number of correctly classified images.
      of: the denominator, such as the number of all test images.
      value: the share; 0 if there are no images.
      low, high: the ends of the confidence interval; 0 and 1 if there are no images.
    """

    hits: int
    of: int
    value: float
    low: float
    high: float

    @classmethod
    def count(cls, hits: int, of: int) -> "Share":
        """Returns the share of `hits` images among `of` images."""
        low, high = wilson_interval(hits, of) if of else (0.0, 1.0)
        return cls(hits, of, hits / of if of else 0.0, low, high)

    @classmethod
    def from_flags(cls, flags: np.ndarray) -> "Share":
        """Returns the share of true values in `flags`, bool [N]."""
        return cls.count(int(flags.sum()), len(flags))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassResult:
    """The results of a model on the images of one class.

    Attributes:
      name: the name of the class.
      label: the index of the class.
      recall: share of correct predictions among the images of the class.
      precision: share of correct predictions among the images that are predicted as the class.
    """

    name: str
    label: int
    recall: Share
    precision: Share
