import importlib.util
from pathlib import Path

import pytest

from trainer.serving.imagenet import NAMES, WORDNET_IDS, class_index


def test_a_thousand_classes_sorted_by_wordnet_id():
    assert len(NAMES) == len(set(NAMES)) == 1000
    assert list(WORDNET_IDS) == sorted(set(WORDNET_IDS))


def test_the_order_is_that_of_tfds():
    spec = importlib.util.find_spec("tensorflow_datasets")
    labels = Path(spec.origin).parent / "datasets" / "imagenet2012" / "labels.txt"
    assert tuple(labels.read_text().split()) == WORDNET_IDS


def test_known_outputs():
    """The expected names are from published lists of ImageNet's classes."""
    known = {0: "tench", 207: "golden retriever", 281: "tabby", 985: "daisy", 999: "toilet tissue"}
    assert {index: NAMES[index] for index in known} == known


def test_every_class_by_its_id_name_and_index():
    for index, (wordnet_id, name) in enumerate(zip(WORDNET_IDS, NAMES, strict=True)):
        for text in (wordnet_id, name, name.replace(" ", "_"), str(index)):
            assert class_index(text) == index


@pytest.mark.parametrize("text", ["", "1000", "-1", "n00000000", "Tench", "roses", "²"])
def test_texts_that_name_no_class(text):
    assert class_index(text) is None
