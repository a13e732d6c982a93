"""Finds issues (problems in the images of a dataset), and writes them to a file.

This module loads quickly, because it imports neither TensorFlow nor TFX.
"""

import dataclasses
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from common.errors import RefusedError
from common.files import read_bytes
from components.data_check.measure import LEAST_SIDE, ImageRecord
from components.data_check.near_duplicates import Pair, find_near_duplicates

FILE = "data_issues.jsonl"
EXAMINED_FILE = "examined.json"  # a list of the kinds of issues that the node searched for
LEAK, CONFLICT, DUPLICATE = (
    "near duplicate in another split",
    "near duplicate of another class",
    "near duplicate",
)
SHORTCUT, TINY, BLANK, DARK, BLURRED = "shortcut", "tiny", "blank", "dark", "blurred"
LABEL, OUTLIER = "wrong label", "outlier"
# A description of each kind of issue, for reports.
KINDS = {
    LEAK: "Images of the test or validation split that look the same as an image of another split: "
    "the measured accuracy is too good.",
    CONFLICT: "Images that look the same but have different classes: a label may be wrong.",
    DUPLICATE: "Images of one split that look the same.",
    LABEL: "Images that look like those of another class: a classifier that was trained on the "
    "features of the other images gives the stated class a low probability.",
    OUTLIER: "Images that are far from the other images of their class, by their features.",
    SHORTCUT: "Sizes and file formats that are usual in one class and rare in all others: a model "
    "can learn them instead of what the images show.",
    TINY: "Images with a side of less than 32 pixels, which are not compared with other images.",
    BLANK: "Images of one colour.",
    DARK: "Images that are almost black.",
    BLURRED: "Images without sharp edges.",
}
# The kinds of issues that can be found only with the features of a backbone.
FEATURE_KINDS = (LABEL, OUTLIER)
_LEAST_CONTRAST, _LEAST_BRIGHTNESS, _LEAST_SHARPNESS = 0.02, 0.06, 2e-4
# A file format or image size is a shortcut if at least the share `_USUAL` of the images of one
# class have it, and at most the share `_RARE` of the images of every other class.
_USUAL, _RARE = 0.5, 0.05
_LEAST_IMAGES = 10  # classes with fewer images than this are not checked for shortcuts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Issue:
    """A possible problem in the dataset, for a person to check.

    Attributes:
      kind: a key of `KINDS`.
      score: the severity of the issue, in [0, 1]; for near duplicates, the correlation of the
        images.
      label: the name of the class.
      file_name: the name of the image; empty if the issue concerns a class.
      split: the split of the image.
      other, other_split: the name and split of the second image of a near duplicate; empty for
        issues of all other kinds.
      other_label: the class of the second image of a near duplicate, or the more probable class of
        an image with a wrong label; empty for issues of all other kinds.
      detail: a description of the issue in words.
    """

    kind: str
    score: float
    label: str
    file_name: str = ""
    split: str = ""
    other: str = ""
    other_split: str = ""
    other_label: str = ""
    detail: str = ""


def find_issues(records: Sequence[ImageRecord], classes: Sequence[str]) -> list[Issue]:
    """Finds the issues that can be found without a backbone.

    The issues are sorted by kind, and then by score with the most severe issue first.
    """
    return sort_issues(
        [
            *describe_pairs(find_pairs(records), records, classes),
            *find_appearance_issues(records, classes),
        ]
    )


def sort_issues(issues: Iterable[Issue]) -> list[Issue]:
    """Sorts issues by kind, and then by score with the most severe issue first."""
    order = list(KINDS)
    return sorted(issues, key=lambda issue: (order.index(issue.kind), -issue.score))


def find_pairs(records: Sequence[ImageRecord]) -> list[Pair]:
    """Finds the pairs of images that look the same; ignores images with a side below 32 pixels.

    Returns:
      The pairs; `Pair.first` and `Pair.second` are indices into `records`.
    """
    views = {index: record.views for index, record in enumerate(records) if record.views}
    indices = list(views)
    found = find_near_duplicates(list(views.values()))
    return [Pair(indices[pair.first], indices[pair.second], pair.likeness) for pair in found]


def count_leaks(issues: Iterable[Issue]) -> int:
    """Returns the number of test images that look the same as an image of another split."""
    return len(
        {
            name
            for issue in issues
            if issue.kind == LEAK
            for name, split in (
                (issue.file_name, issue.split),
                (issue.other, issue.other_split),
            )
            if split == "test"
        }
    )


def check_leaks(issues: Sequence[Issue], tested: int, max_leak: float) -> None:
    """Checks the share of test images that look the same as an image of another split.

    Args:
      issues: the issues that were found.
      tested: the number of test images.
      max_leak: the largest allowed share of the test images, from 0 to 1.

    Raises:
      RefusedError: the share is larger than `max_leak`.
    """
    leaks = count_leaks(issues)
    if not tested or leaks / tested <= max_leak:
        return
    first = next(issue for issue in issues if issue.kind == LEAK)
    raise RefusedError(
        f"{leaks} of {tested} test images ({leaks / tested:.1%}) look the same as images of other "
        f"splits, such as {first.file_name} ({first.split}) and {first.other} "
        f"({first.other_split}); expected at most data.max_leak={max_leak:g}; remove the "
        "duplicates (--inspect lists them), keep them in one split with --set "
        "ingest.split_by=near_duplicates, or allow more with --set data.max_leak=1"
    )


def format_issues(issues: Iterable[Issue]) -> str:
    """Formats the issues as JSON Lines, one line for each issue."""
    return "".join(json.dumps(dataclasses.asdict(issue)) + "\n" for issue in issues)


def read_issues(uri: str) -> list[dict[str, Any]]:
    """Returns the issues in an artifact of DataCheck, each as a dictionary of its fields."""
    lines = (read_bytes(f"{uri}/{FILE}") or b"").splitlines()
    return [json.loads(line) for line in lines]


def describe_pairs(
    pairs: Iterable[Pair], records: Sequence[ImageRecord], classes: Sequence[str]
) -> Iterator[Issue]:
    """Yields an issue for each pair of images that look the same."""
    for pair in pairs:
        both = (records[pair.first], records[pair.second])
        one, other = sorted(both, key=lambda record: record.split == "train")
        if one.split != other.split:
            kind = LEAK
        elif one.label != other.label:
            kind = CONFLICT
        else:
            kind = DUPLICATE
        yield Issue(
            kind=kind,
            score=round(pair.likeness, 4),
            label=classes[one.label],
            file_name=one.file_name,
            split=one.split,
            other=other.file_name,
            other_split=other.split,
            other_label=classes[other.label],
        )


def find_appearance_issues(
    records: Sequence[ImageRecord], classes: Sequence[str]
) -> Iterator[Issue]:
    """Yields an issue for each shortcut, and for each tiny, blank, dark or blurred image."""
    yield from _find_shortcuts(records, classes)
    yield from _find_unusual_images(records, classes)


def _find_shortcuts(records: Sequence[ImageRecord], classes: Sequence[str]) -> Iterator[Issue]:
    totals = Counter(record.label for record in records)
    for what in ("format", "size"):
        counts: dict[str, Counter[int]] = defaultdict(Counter)
        for record in records:
            value = record.suffix if what == "format" else f"{record.width} x {record.height}"
            counts[value][record.label] += 1
        for value, by_label in counts.items():
            shares = {label: by_label[label] / total for label, total in totals.items()}
            label, share = max(shares.items(), key=lambda entry: entry[1])
            others = max((v for k, v in shares.items() if k != label), default=1.0)
            if value and totals[label] >= _LEAST_IMAGES and share >= _USUAL and others <= _RARE:
                yield Issue(
                    kind=SHORTCUT,
                    score=round(share - others, 4),
                    label=classes[label],
                    detail=f"{share:.0%} of the images of {classes[label]} have the {what} "
                    f"{value}, and at most {others:.0%} of the images of any other class",
                )


def _find_unusual_images(records: Sequence[ImageRecord], classes: Sequence[str]) -> Iterator[Issue]:
    looks: dict[str, list[tuple[float, ImageRecord, str]]] = {
        kind: [] for kind in (TINY, BLANK, DARK, BLURRED)
    }
    for record in records:
        side = _least_side(record)
        if side < LEAST_SIDE:
            looks[TINY].append((1 - side / LEAST_SIDE, record, f"{record.width} x {record.height}"))
        elif record.contrast < _LEAST_CONTRAST:
            looks[BLANK].append((1 - record.contrast / _LEAST_CONTRAST, record, ""))
        elif record.brightness < _LEAST_BRIGHTNESS:
            looks[DARK].append((1 - record.brightness / _LEAST_BRIGHTNESS, record, ""))
        elif record.sharpness < _LEAST_SHARPNESS:
            looks[BLURRED].append((1 - record.sharpness / _LEAST_SHARPNESS, record, ""))
    for kind, found in looks.items():
        # If more than half of the images have an issue of this kind, yield one issue for the whole
        # dataset, and not one for each image.
        if len(found) > len(records) / 2:
            detail = f"{len(found)} of {len(records)} images are affected"
            yield Issue(kind=kind, score=0.0, label="", detail=detail)
            continue
        for score, record, detail in found:
            yield Issue(
                kind=kind,
                score=round(score, 4),
                label=classes[record.label],
                file_name=record.file_name,
                split=record.split,
                detail=detail,
            )


def _least_side(record: ImageRecord) -> int:
    return min(record.width, record.height)
