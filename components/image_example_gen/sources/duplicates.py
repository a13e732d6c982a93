"""Finds images with the same bytes in several splits that the source gives, or in several classes.

Imports no TensorFlow.
"""

from collections.abc import Iterable, Iterator, Sequence

from components.image_example_gen.sources.base import TEST, TRAIN, VALIDATION, ImageReference

# If copies of an image are in several splits, only the copies in the split with the highest rank
# are kept.
_RANKS = {"": 0, TRAIN: 0, VALIDATION: 1, TEST: 2}


def find_copies(images: Iterable[ImageReference]) -> Iterator[list[ImageReference]]:
    """Yields groups of images with the same bytes; images without copies are left out."""
    first: dict[str, ImageReference] = {}
    copies: dict[str, list[ImageReference]] = {}
    for image in images:
        if not image.digest:  # the image could not be read
            continue
        if image.digest in first:
            copies.setdefault(image.digest, [first[image.digest]]).append(image)
        else:
            first[image.digest] = image
    yield from copies.values()


def are_across_splits(copies: Sequence[ImageReference]) -> bool:
    """Whether copies of an image are in several splits that the source gives."""
    return len({_RANKS[image.split] for image in copies}) > 1


def are_across_classes(copies: Sequence[ImageReference]) -> bool:
    """Whether copies of an image have different labels."""
    return len({image.label for image in copies}) > 1


def choose_dropped(images: Sequence[ImageReference]) -> set[str]:
    """Returns the file names of the copies to remove, so that each image has one label and split.

    If an image has several labels, all its copies are removed, since nobody knows which label is
    right. If an image is in several splits that the source gives, the copies in train are removed,
    and, if the image is in test, the copies in validation as well.
    """
    dropped: set[str] = set()
    for copies in find_copies(images):
        last = max(_RANKS[image.split] for image in copies)
        is_doubtful = are_across_classes(copies)
        dropped |= {
            image.file_name for image in copies if is_doubtful or _RANKS[image.split] < last
        }
    return dropped
