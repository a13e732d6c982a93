"""Describes the images of a run before the first node reads them.

This module does not import TensorFlow, which takes seconds to import.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from common.text import list_first
from components.image_example_gen.enough_images import check_splits, check_trained
from components.image_example_gen.sources.base import SPLITS, TRAIN, ImageReference, Source
from components.image_example_gen.sources.duplicates import (
    are_across_classes,
    are_across_splits,
    find_copies,
)
from components.image_example_gen.split import assign_splits

_SHOWN = 4  # largest number of file name suffixes that `FoundImages.describe` lists


@dataclasses.dataclass(frozen=True, kw_only=True)
class FoundImages:
    """A description of the images in a dataset.

    Attributes:
      total: number of images.
      size: the size of all images together, in bytes.
      suffixes: number of images by the suffix of the file name, such as ".jpg", in lower case.
        Images whose file names have no suffix count under the key "".
      classes: number of images by class name.
      unlabelled: number of images without a label.
      untrained: the classes that have images, but none of these images in the train split.
      splits: number of images by split.
      is_estimate: whether the numbers in `splits` are estimates, because ImageExampleGen will later
        move near duplicates into one split.
      given: the splits whose images the dataset defines; the pipeline chooses the images of all
        other splits.
      left_out: folders whose images the run does not use, because `ingest.splits` does not name the
        folders.
      dropped: number of duplicates that `ingest.drop_duplicates` removed.
      leaks: the number of images that are in more than one of the dataset's own splits, and the
        file names of two copies of one image, as an example.
      conflicts: the number of images that are in more than one class, and the file names of two
        copies of one image, as an example.
    """

    total: int
    size: int
    suffixes: Mapping[str, int]
    classes: Mapping[str, int]
    unlabelled: int
    untrained: tuple[str, ...]
    splits: Mapping[str, int]
    given: tuple[str, ...]
    is_estimate: bool
    left_out: tuple[str, ...]
    dropped: int
    leaks: tuple[int, tuple[str, ...]]
    conflicts: tuple[int, tuple[str, ...]]

    @property
    def train_images(self) -> int:
        """The number of images in the train split."""
        return self.splits[TRAIN]

    def check(self) -> None:
        """Checks that there are enough images to train a model and to measure its accuracy.

        Raises:
          RefusedError: a split has no images, or a class has images but none in the train split.
        """
        check_splits(self.splits, f"found {self.total} images")
        check_trained(self.untrained)

    def describe(self) -> dict[str, str]:
        """Returns the texts that the console prints with the labels "images", "classes" and
        "splits".
        """
        suffixes = Counter(self.suffixes).most_common()
        shown = [f"{count:,} {suffix or 'without a suffix'}" for suffix, count in suffixes[:_SHOWN]]
        others = sum(count for _, count in suffixes[_SHOWN:])
        formats = ", ".join(shown) + (f", {others:,} others" if others else "")
        return {
            "images": f"{self.total:,}, {_show_size(self.size)}: {formats}",
            "classes": f"{len(self.classes):,}: {_show_range(self.classes)}",
            "splits": ", ".join(
                f"{'about ' * (self.is_estimate and split not in self.given)}"
                f"{self.splits[split]:,} {split}" + (" (given)" if split in self.given else "")
                for split in SPLITS
            ),
        }

    def warnings(self) -> Iterator[str]:
        """Yields warnings about the images, such as duplicates, one sentence each."""
        if self.left_out:
            names = list_first(self.left_out)
            yield f"The images in {names} are left out: ingest.splits does not name these folders."
        if self.dropped:
            yield f"{_count_of(self.dropped, 'duplicate')} left out (ingest.drop_duplicates)."
        count, copies = self.leaks
        if count:
            yield (
                f"{_count_of(count, 'image')} in more than one split, such as "
                f"{' and '.join(copies)}: a model is measured on images that it has seen. "
                "ingest.drop_duplicates removes them from train."
            )
        count, copies = self.conflicts
        if count:
            yield (
                f"{_count_of(count, 'image')} in more than one class, such as "
                f"{' and '.join(copies)}. ingest.drop_duplicates removes them."
            )
        if self.unlabelled:
            yield f"{_count_of(self.unlabelled, 'image')} without a label, to be quarantined."
        empty = [name for name, images in self.classes.items() if not images]
        if empty:
            count_of = _count_of(len(empty), "class", "classes")
            yield f"{count_of} without an image, such as {empty[0]}."


def find_images(source: Source, *, is_estimate: bool = False) -> FoundImages:
    """Describes the images of `source`.

    Args:
      source: the dataset, after the caller has called `source.prepare`.
      is_estimate: whether ImageExampleGen will later move near duplicates into one split, which
        changes the number of images in each split.
    """
    images = source.images()
    copies = list(find_copies(images))
    labels = Counter(image.label for image in images)
    assigned = assign_splits(images)
    splits = Counter(assigned)
    trained = {i.label for i, split in zip(images, assigned, strict=True) if split == TRAIN}
    given = {image.split for image in images}
    return FoundImages(
        total=len(images),
        size=sum(image.size for image in images),
        suffixes=Counter(_suffix(image.file_name) for image in images),
        classes={name: labels[label] for label, name in enumerate(source.classes())},
        unlabelled=sum(
            n for label, n in labels.items() if label not in range(len(source.classes()))
        ),
        untrained=tuple(
            name
            for label, name in enumerate(source.classes())
            if labels[label] and label not in trained
        ),
        splits={split: splits[split] for split in SPLITS},
        given=tuple(split for split in SPLITS if split in given),
        is_estimate=is_estimate,
        left_out=source.left_out(),
        dropped=source.dropped(),
        leaks=_count([group for group in copies if are_across_splits(group)]),
        conflicts=_count([group for group in copies if are_across_classes(group)]),
    )


def _count(groups: Sequence[Sequence[ImageReference]]) -> tuple[int, tuple[str, ...]]:
    if not groups:
        return 0, ()
    group = groups[0]
    other = next(i for i in group if (i.split, i.label) != (group[0].split, group[0].label))
    return len(groups), (group[0].file_name, other.file_name)


def _count_of(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one} is" if count == 1 else f"{count:,} {many or one + 's'} are"


def _suffix(name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix.isascii() and suffix[1:].isalnum() else ""


def _show_range(classes: Mapping[str, int]) -> str:
    fewest = min(classes, key=lambda name: classes[name])
    most = max(classes, key=lambda name: classes[name])
    if classes[fewest] == classes[most]:
        return f"{classes[most]:,} images each"
    return f"fewest {fewest} ({classes[fewest]:,}), most {most} ({classes[most]:,})"


def _show_size(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.1f} {unit}" if unit != "bytes" else f"{size:.0f} bytes"
        size /= 1000
    return f"{size:.1f} TB"
