"""Compares two runs: their options, their results, and their predictions for the test images.

This module imports neither TensorFlow nor TFX, which take seconds to import.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from common.duration import describe_duration
from common.mcnemar import describe_p, mcnemar
from components.report.answers import Answers, ClassResult, Share
from components.report.run_record import RunRecord

MISSING = "default"  # shown as the value of an option that a run left at its default
_SIGNIFICANT = 0.05
_MOST_CLASSES = 12


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparedRun:
    """One of the two runs of a comparison.

    Attributes:
      name: the name by which `--history` lists the run.
      page: path or URI of the HTML page of the run's report.
      record: the record of the run.
      answers: the predictions of the run's model for the test images.
      images: thumbnails of test images, as base64-encoded JPEG files, in a dictionary by file name.
    """

    name: str
    page: str
    record: RunRecord
    answers: Answers
    images: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DifferingImage:
    """A test image for which the two models predict different classes.

    Attributes:
      file: the name of the image.
      label: the class of the image.
      answers: the classes that the two models predict.
      probabilities: the probability that each model gives to its prediction, in [0, 1].
      right: for each of the two models, whether its prediction is correct.
    """

    file: str
    label: str
    answers: tuple[str, str]
    probabilities: tuple[float, float]
    right: tuple[bool, bool]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """The comparison of two runs.

    Attributes:
      runs: the two runs that are compared.
      options: maps the name of each option or fingerprint that differs between the two runs to its
        two values.
      results: maps the name of each result, such as accuracy, to two texts with the results of the
        two runs.
      common: number of test images that both runs have.
      both, first, second, neither: the number of common test images that are classified correctly
        by both models, only by the first model, only by the second model, or by neither model.
      p: p-value of McNemar's exact test; None if the runs have no test image in common.
      classes: the classes whose recall differs most between the two models. Each tuple contains the
        class name and the recall of each model on the test images of the model's own run.
      differing: the common test images for which the models predict different classes; images that
        only one model classifies correctly come first.
    """

    runs: tuple[ComparedRun, ComparedRun]
    options: Mapping[str, tuple[str, str]]
    results: Mapping[str, tuple[str, str]]
    common: int
    both: int
    first: int
    second: int
    neither: int
    p: float | None
    classes: Sequence[tuple[str, Share, Share]]
    differing: Sequence[DifferingImage]

    def verdict(self) -> str:
        """Returns the result of McNemar's test in words."""
        if self.p is None:
            return "The runs have no test image in common, so their models cannot be compared."
        first, second = (run.name for run in self.runs)
        counts = (
            f"On {self.common} common test images, only {first} is right on {self.first}, only "
            f"{second} on {self.second}; McNemar's exact test: {describe_p(self.p)}."
        )
        if self.p >= _SIGNIFICANT:
            return f"{counts} The difference may be chance."
        better = first if self.first > self.second else second
        return f"{counts} {better} is significantly better (p below {_SIGNIFICANT:g})."


def compare_runs(first: ComparedRun, second: ComparedRun) -> Comparison:
    """Compares two runs."""
    one, other = first.answers, second.answers
    places = {file: index for index, file in enumerate(other.files)}
    pairs = [(index, places[file]) for index, file in enumerate(one.files) if file in places]
    a, b = np.array(pairs, np.int64).reshape(-1, 2).T
    right_a, right_b = one.is_right[a], other.is_right[b]
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    return Comparison(
        runs=(first, second),
        options=_different(first.record, second.record),
        results=dict(_results(first, second)),
        common=len(pairs),
        both=int((right_a & right_b).sum()),
        first=only_a,
        second=only_b,
        neither=int((~right_a & ~right_b).sum()),
        p=mcnemar(only_a, only_b) if pairs else None,
        classes=_classes(one.by_class(), other.by_class()),
        differing=sorted(
            _list_differing_images(one, other, pairs),
            key=lambda image: (not any(image.right), image.right[1], image.file),
        ),
    )


def _different(first: RunRecord, second: RunRecord) -> dict[str, tuple[str, str]]:
    values = [
        {"model": record.model, "dataset": record.dataset, "tune": record.tune}
        | record.options
        | dict(_describe_input(name, value) for name, value in record.lineage.items())
        for record in (first, second)
    ]
    keys = dict.fromkeys([*values[0], *values[1]])
    found = {key: tuple(of_run.get(key, MISSING) for of_run in values) for key in keys}
    return {key: (a, b) for key, (a, b) in found.items() if a != b}


def _describe_input(name: str, value: str) -> tuple[str, str]:
    """Returns the name and the value of an input of a run, such as the fingerprint of the examples.
    A fingerprint is cut to its first 12 digits.
    """
    is_fingerprint = re.fullmatch("[0-9a-f]{64}", value)
    return (f"fingerprint of {name}", value[:12]) if is_fingerprint else (name, value)


def _results(*runs: ComparedRun) -> Iterator[tuple[str, tuple[str, str]]]:
    def both(name: str, values: Sequence[str]) -> tuple[str, tuple[str, str]]:
        return name, (values[0], values[1])

    records, answers = [run.record for run in runs], [run.answers for run in runs]
    yield both("ended", [record.ended for record in records])
    yield both("verdict", [record.verdict for record in records])
    yield both(
        "accuracy",
        [
            f"{record.right / record.images:.4f} ({record.low:.2f} to {record.high:.2f})"
            for record in records
        ],
    )
    yield both("test images", [str(record.images) for record in records])
    worst = [of_run.by_class()[0] for of_run in answers]
    yield both(
        "worst class",
        [f"{found.name}, recall {found.recall.value:.4f} of {found.recall.of}" for found in worst],
    )
    yield both("calibration error", [f"{of_run.calibration_error:.4f}" for of_run in answers])
    yield both("accepted answers", [f"{of_run.accepted.mean():.1%}" for of_run in answers])
    if all(record.seconds for record in records):
        yield both("time of all nodes", [describe_duration(record.seconds) for record in records])


def _classes(
    first: Sequence[ClassResult], second: Sequence[ClassResult]
) -> list[tuple[str, Share, Share]]:
    others = {result.name: result.recall for result in second}
    found = [
        (result.name, result.recall, others[result.name])
        for result in first
        if result.name in others and result.recall.of and others[result.name].of
    ]
    changed = [entry for entry in found if entry[1].value != entry[2].value]
    return sorted(changed, key=lambda entry: -abs(entry[1].value - entry[2].value))[:_MOST_CLASSES]


def _list_differing_images(
    one: Answers, other: Answers, pairs: Sequence[tuple[int, int]]
) -> Iterator[DifferingImage]:
    for a, b in pairs:
        names = one.name(int(one.predicted[a])), other.name(int(other.predicted[b]))
        if names[0] != names[1]:
            yield DifferingImage(
                file=str(one.files[a]),
                label=one.name(int(one.labels[a])),
                answers=names,
                probabilities=(float(one.probabilities[a]), float(other.probabilities[b])),
                right=(bool(one.is_right[a]), bool(other.is_right[b])),
            )
