"""Finds images whose bytes are the same, across given splits and across classes.

Imports no TensorFlow.
"""

from collections.abc import Iterable, Iterator, Sequence

from components.image_example_gen.sources.base import TEST, TRAIN, VALIDATION, ImageReference

# Copies stay in the last of their splits.
_RANKS = {"": 0, TRAIN: 0, VALIDATION: 1, TEST: 2}


def find_copies(images: Iterable[ImageReference]) -> Iterator[list[ImageReference]]:
    """Yields the images of each digest that several images have."""
    first: dict[str, ImageReference] = {}
    copies: dict[str, list[ImageReference]] = {}
    for image in images:
        if not image.digest:  # it could not be read
            continue
        if image.digest in first:
            copies.setdefault(image.digest, [first[image.digest]]).append(image)
        else:
            first[image.digest] = image
    yield from copies.values()


def are_across_splits(copies: Sequence[ImageReference]) -> bool:
    """Whether copies of an image are in more than one of the splits that the source gives."""
    return len({_RANKS[image.split] for image in copies}) > 1


def are_across_classes(copies: Sequence[ImageReference]) -> bool:
    """Whether copies of an image have different labels."""
    return len({image.label for image in copies}) > 1


def choose_dropped(images: Sequence[ImageReference]) -> set[str]:
    """Returns the file names of the copies to remove, so that each image has one label and split.

    Of an image with several labels, all copies are removed, since nobody knows which label is
    right. Of an image in several given splits, those in train are removed, and those in validation
    if it is in test as well.
    """
    dropped: set[str] = set()
    for copies in find_copies(images):
        last = max(_RANKS[image.split] for image in copies)
        is_doubtful = are_across_classes(copies)
        dropped |= {
            image.file_name for image in copies if is_doubtful or _RANKS[image.split] < last
        }
    return dropped
