"""Finds images with the same bytes in more than one split of the source, or in more than one class.

This module does not import TensorFlow, which takes seconds to import.
"""

from collections.abc import Iterable, Iterator, Sequence

from components.image_example_gen.sources.base import TEST, TRAIN, VALIDATION, ImageReference

# If copies of an image are in several splits, only the copies in the split with the highest rank
# are kept. Images without a split have the same rank as images in the train split.
_RANKS = {"": 0, TRAIN: 0, VALIDATION: 1, TEST: 2}


def find_copies(images: Iterable[ImageReference]) -> Iterator[list[ImageReference]]:
    """Yields each group of two or more images with the same bytes."""
    first: dict[str, ImageReference] = {}
    copies: dict[str, list[ImageReference]] = {}
    for image in images:
        if not image.digest:  # an image that could not be read has no digest
            continue
        if image.digest in first:
            copies.setdefault(image.digest, [first[image.digest]]).append(image)
        else:
            first[image.digest] = image
    yield from copies.values()


def are_across_splits(copies: Sequence[ImageReference]) -> bool:
    """Whether the copies of an image are in more than one of the splits that the source gives."""
    return len({_RANKS[image.split] for image in copies}) > 1


def are_across_classes(copies: Sequence[ImageReference]) -> bool:
    """Whether the copies of an image have different labels."""
    return len({image.label for image in copies}) > 1


def choose_dropped(images: Sequence[ImageReference]) -> set[str]:
    """Returns the file names of the copies to remove, so that each image has one label and split.

    If an image has several labels, all its copies are removed, because nobody knows which label is
    right. If copies of an image are in several splits, only the copies in one split are kept: in
    the test split if it has a copy, and otherwise in the validation split.
    """
    dropped: set[str] = set()
    for copies in find_copies(images):
        last = max(_RANKS[image.split] for image in copies)
        is_doubtful = are_across_classes(copies)
        dropped |= {
            image.file_name for image in copies if is_doubtful or _RANKS[image.split] < last
        }
    return dropped
