"""Assigns images to splits."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from components.image_example_gen.sources.base import (
    NO_LABEL,
    SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
    ImageReference,
)

_BUCKETS = 10
# A tenth of the images each; the rest is for training.
_BUCKET_OF = {VALIDATION: 0, TEST: 1}


def assign_splits(images: Sequence[ImageReference]) -> list[str]:
    """Returns the split of each image.

    A split that the source gives is kept. If the source has no validation or no test split, that
    split is cut from the other images, which are those of its train split and those without one: a
    tenth of them, by the digest of an image, or by its group if it has one. So copies of an image
    are always in the same split, and an image stays in its split when other images are added or
    removed.

    There is one exception: if a class has at least one different image for each of the splits that
    are cut (three if the source gives none), each of them has at least one. A split that would have
    none gets an image of the split that has the most, the one with the lowest digest. When images
    are added to such a class, that image may return to its own split.

    Args:
      images: all images of the source.
    """
    given = {image.split for image in images}
    cut = (TRAIN, *(split for split in (VALIDATION, TEST) if split not in given))
    free = [image for image in images if image.split in ("", TRAIN)]
    splits = {key: _split_of(key, cut) for key in map(_key, free) if key}
    for keys in _keys_by_class(free):
        _fill_empty(splits, keys, cut)
    return [
        splits.get(_key(image), TRAIN) if image.split in ("", TRAIN) else image.split
        for image in images
    ]


def _key(image: ImageReference) -> str:
    """Returns what decides on the split, 64 hex digits; empty for an image that was not read."""
    if image.group:
        return hashlib.sha256(image.group.encode(errors="surrogateescape")).hexdigest()
    return image.digest


def _split_of(key: str, cut: Sequence[str]) -> str:
    bucket = int(key[:16], 16) % _BUCKETS
    return next((split for split in cut if _BUCKET_OF.get(split) == bucket), TRAIN)


def _keys_by_class(images: Iterable[ImageReference]) -> Iterator[list[str]]:
    """Yields the sorted keys of each class that no other class has."""
    label_of: dict[str, int] = {}
    for image in images:
        key = _key(image)
        # An image in two classes stays where it is, since a move would change both.
        label_of[key] = image.label if label_of.get(key, image.label) == image.label else NO_LABEL
    by_label: dict[int, list[str]] = {}
    for key, label in label_of.items():
        if key and label != NO_LABEL:
            by_label.setdefault(label, []).append(key)
    for _, keys in sorted(by_label.items()):
        yield sorted(keys)


def _fill_empty(splits: dict[str, str], keys: Sequence[str], cut: Sequence[str]) -> None:
    """Changes `splits` so that each split in `cut` has one of `keys`, if there are enough."""
    if len(keys) < len(cut):
        return
    members: dict[str, list[str]] = {split: [] for split in cut}
    for key in keys:
        members[splits[key]].append(key)
    for split in sorted(cut, key=SPLITS.index, reverse=True):
        if not members[split]:
            fullest = max(cut, key=lambda other: len(members[other]))
            moved = members[fullest].pop(0)
            splits[moved] = split
            members[split].append(moved)
