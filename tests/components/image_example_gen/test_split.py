import hashlib
from collections import Counter

import pytest

from components.image_example_gen.sources.base import ImageReference
from components.image_example_gen.split import assign_splits


def image(index, label=0, split="", group=""):
    """Returns an ImageReference for content of 4 bytes: the number `index`, in big-endian order."""
    digest = hashlib.sha256(index.to_bytes(4, "big")).hexdigest()
    return ImageReference(f"{label}/{index}-{split}", label, "", 4, digest, split, group)


def splits_of(images):
    """Returns the splits of the images by file name."""
    names = [image.file_name for image in images]
    return dict(zip(names, assign_splits(images), strict=True))


def test_splits_have_80_10_and_10_percent():
    counts = Counter(assign_splits([image(index) for index in range(10_000)]))
    assert counts["train"] == pytest.approx(8000, rel=0.03)
    assert counts["validation"] == pytest.approx(1000, rel=0.1)
    assert counts["test"] == pytest.approx(1000, rel=0.1)


def test_the_assignment_to_splits_never_changes():
    """No version may assign an image to another split, so the expected splits are literals."""
    letters = {"train": "-", "validation": "v", "test": "t"}
    splits = [letters[split] for split in assign_splits([image(index) for index in range(60)])]
    assert "".join(splits) == "--------t-------------tt------------------v--tt-------------"


@pytest.mark.parametrize(
    ("given", "cut"),
    [
        (("train", "test"), {"train", "validation"}),
        (("train", "validation"), {"train", "test"}),
        (("", "validation", "test"), {"train"}),
        (("train",), {"train", "validation", "test"}),
    ],
)
def test_given_splits_are_kept_and_only_missing_ones_are_cut(given, cut):
    images = [image(index, split=split) for split in given for index in range(1000)]
    where = list(zip(images, assign_splits(images), strict=True))
    assert all(split == i.split for i, split in where if i.split in ("validation", "test"))
    counts = Counter(split for i, split in where if i.split in ("", "train"))
    assert set(counts) == cut
    assert all(counts[split] == pytest.approx(100, rel=0.3) for split in cut - {"train"})


@pytest.mark.parametrize("size", range(3, 30))
def test_every_class_has_an_image_in_each_split(size):
    images = [image(100 * label + n, label) for label in range(40) for n in range(size)]
    counts = Counter(zip(assign_splits(images), (i.label for i in images), strict=True))
    assert len(counts) == 3 * 40
    splits = {split: sum(n for (s, _), n in counts.items() if s == split) for split, _ in counts}
    assert splits["train"] >= splits["validation"]


def test_splits_by_digest_are_kept_for_large_classes():
    images = [image(index, label) for label in range(5) for index in range(label, 2000, 5)]
    buckets = [int(i.digest[:16], 16) % 10 for i in images]
    expected = [{0: "validation", 1: "test"}.get(bucket, "train") for bucket in buckets]
    assert assign_splits(images) == expected


def test_adding_an_image_moves_at_most_one_image_in_each_split():
    for size in range(3, 60):
        before = splits_of([image(n) for n in range(size)])
        after = splits_of([image(n) for n in range(size + 1)])
        assert sum(after[name] != split for name, split in before.items()) <= 2


def test_copies_and_groups_are_never_divided():
    copies = [
        image(7, label)._replace(file_name=f"{label}-{n}") for label in (0, 1) for n in (1, 2)
    ]
    others = [image(n, label=n % 2) for n in range(20, 30)]
    assert len({splits_of(copies + others)[i.file_name] for i in copies}) == 1
    grouped = [image(n, label=n % 3, group=f"patient {n % 40}") for n in range(400)]
    for patient in range(40):
        assert len(set(assign_splits(grouped)[patient::40])) == 1
    assert set(assign_splits(grouped)) == {"train", "validation", "test"}
    copies = [image(7, group=f"patient {n}") for n in range(40)]  # all patients have the same image
    assert len(set(assign_splits(grouped + copies))) == 1


def test_images_that_look_the_same_are_never_divided():
    images = [image(n, label=n % 3) for n in range(400)]
    alike = [(n, n + 200) for n in range(100)] + [(n, n + 1) for n in range(300, 320)]
    splits = assign_splits(images, alike)
    assert all(splits[one] == splits[other] for one, other in alike)
    assert set(splits) == {"train", "validation", "test"}
    assert splits == assign_splits(images, [*reversed(alike)])
    untouched = [n for n in range(100, 200)]
    assert [splits[n] for n in untouched] == [assign_splits(images)[n] for n in untouched]
    # An image that is similar to one image of a group stays with the whole group.
    grouped = [image(n, group="film" if n in (1, 2) else "") for n in range(40)]
    assert len({assign_splits(grouped, [(2, 3)])[n] for n in (1, 2, 3)}) == 1


def test_a_class_of_too_few_images_keeps_its_splits_by_digest():
    twins = [image(1)._replace(file_name=str(n)) for n in range(9)]
    assert set(assign_splits(twins)) == {"train"}


def test_an_unreadable_image_does_not_count():
    images = [image(n) for n in range(3)] + [image(9)._replace(digest="", size=0)]
    assert sorted(assign_splits(images)[:3]) == ["test", "train", "validation"]
    assert assign_splits(images)[3] == "train"
