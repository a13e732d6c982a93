"""Assigns images to splits."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence

from components.image_example_gen.sources.base import (
    NO_LABEL,
    SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
    ImageReference,
)

# Values of `ingest.split_by`. Copies of an image always get the same split; with NEAR_DUPLICATES,
# near duplicates of an image get the same split as well.
CONTENT, NEAR_DUPLICATES = "content", "near_duplicates"
_BUCKETS = 10
# The digest of an image assigns the image to one of ten hash buckets. One hash bucket is the
# validation split, one is the test split, and the other eight are the train split.
_BUCKET_OF = {VALIDATION: 0, TEST: 1}


def assign_splits(
    images: Sequence[ImageReference], alike: Sequence[tuple[int, int]] = ()
) -> list[str]:
    """Returns the split of each image.

    An image that the dataset assigns to the validation split or the test split stays in that split.
    If the dataset lacks a validation split or a test split, each missing split gets about a tenth
    of the images that are in the dataset's train split or in no split.

    The digest of an image, or of the name of its group, determines the split of the image. Copies
    of an image are always in the same split, and an image stays in its split when other images are
    added or removed.

    Each class needs an image in the train split, and in each split that the dataset lacks. If the
    digests assign no image of a small class to a split that needs one, the split gets one from the
    split with the most images of that class: the image with the lowest digest. If a class has fewer
    different images than splits that need one, none of its images is moved. If images are added to
    a class later, an image that was moved may return to the split that its digest determines.

    Args:
      images: all images of the source.
      alike: pairs of images that look the same, as indices into `images`; both images of a pair get
        the same split.
    """
    given = {image.split for image in images}
    cut = (TRAIN, *(split for split in (VALIDATION, TEST) if split not in given))
    keys = _keys(images, alike)
    free = [
        (key, image.label)
        for key, image in zip(keys, images, strict=True)
        if key and image.split in ("", TRAIN)
    ]
    splits = {key: _split_of(key, cut) for key, _ in free}
    for keys_of_class in _keys_by_class(free):
        _fill_empty(splits, keys_of_class, cut)
    return [
        splits.get(key, TRAIN) if image.split in ("", TRAIN) else image.split
        for key, image in zip(keys, images, strict=True)
    ]


def _keys(images: Sequence[ImageReference], alike: Sequence[tuple[int, int]] = ()) -> list[str]:
    """Returns a key of 64 hex digits for each image. Images with the same key get the same split.

    The key is the digest of the image, or of the name of its group. Groups that contain copies of
    the same image, or images that look the same, have one key: the smallest of their keys. An image
    that could not be read, and that belongs to no group, has an empty key.
    """
    keys = [_hash(image.group) if image.group else image.digest for image in images]
    if not alike and not any(image.group for image in images):
        return keys
    parents: dict[str, str] = {}

    def find(key: str) -> str:
        while (parent := parents.get(key, key)) != key:
            parents[key] = parents.get(parent, parent)
            key = parent
        return key

    own = ((key, image.digest) for key, image in zip(keys, images, strict=True) if image.digest)
    pairs = ((keys[one], keys[other]) for one, other in alike if keys[one] and keys[other])
    for key, other in itertools.chain(own, pairs):
        first, second = sorted((find(key), find(other)))
        parents[second] = first
    return [find(key) for key in keys]


def _hash(group: str) -> str:
    return hashlib.sha256(group.encode(errors="surrogateescape")).hexdigest()


def _split_of(key: str, cut: Sequence[str]) -> str:
    bucket = int(key[:16], 16) % _BUCKETS
    return next((split for split in cut if _BUCKET_OF.get(split) == bucket), TRAIN)


def _keys_by_class(labelled: Iterable[tuple[str, int]]) -> Iterator[list[str]]:
    """Yields, for each class, the sorted keys of its images, except keys that also occur in another
    class.

    Args:
      labelled: the key and the label of each image.
    """
    label_of: dict[str, int] = {}
    for key, label in labelled:
        # A key that occurs in two classes is left out, because moving its images to fill a split
        # for one class would change the splits of the other class as well.
        label_of[key] = label if label_of.get(key, label) == label else NO_LABEL
    by_label: dict[int, list[str]] = {}
    for key, label in label_of.items():
        if label != NO_LABEL:
            by_label.setdefault(label, []).append(key)
    for _, keys in sorted(by_label.items()):
        yield sorted(keys)


def _fill_empty(splits: dict[str, str], keys: Sequence[str], cut: Sequence[str]) -> None:
    """Moves images of a class between splits until each split in `cut` has an image of the class.

    If there are fewer keys than splits in `cut`, no image is moved, because at least one split
    would remain without an image.

    Args:
      splits: maps each key to its split; changed in place.
      keys: the sorted keys of the images of the class.
      cut: the splits that need an image of each class.
    """
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
