from collections import Counter

import pytest

from components.image_example_gen.split import choose_split


def images(count):
    return [index.to_bytes(4, "big") for index in range(count)]


def test_eighty_ten_ten():
    counts = Counter(choose_split(image, "train", False) for image in images(10_000))
    assert counts["train"] == pytest.approx(8000, rel=0.03)
    assert counts["validation"] == pytest.approx(1000, rel=0.1)
    assert counts["test"] == pytest.approx(1000, rel=0.1)


def test_a_source_with_a_test_split_only_gets_a_validation_split():
    counts = Counter(choose_split(image, "train", True) for image in images(10_000))
    assert set(counts) == {"train", "validation"}
    assert counts["validation"] == pytest.approx(1000, rel=0.1)
    assert {choose_split(image, "test", True) for image in images(100)} == {"test"}


def test_the_cut_is_the_same_for_ever():
    """An image never changes its split, so these values are part of the format."""
    letters = {"train": "-", "validation": "v", "test": "t"}
    splits = [letters[choose_split(image, "train", False)] for image in images(60)]
    assert "".join(splits) == "--------t-------------tt------------------v--tt-------------"
