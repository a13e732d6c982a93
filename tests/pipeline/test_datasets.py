from importlib import resources

import pytest

from common.errors import InputError
from components.image_example_gen.sources.kinds import KINDS
from pipeline.datasets import DATASETS, find_dataset
from pipeline.recipes import RECIPES


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_entries_are_complete(dataset):
    assert dataset.source["kind"] in KINDS
    assert set(dataset.recipes) == {"full", "head"}
    assert set(dataset.recipes.values()) <= set(RECIPES)
    assert resources.files("schemas").joinpath(f"{dataset.schema}.pbtxt").is_file()


def test_any_tfds_dataset():
    dataset = find_dataset("tfds:mnist")
    assert (dataset.name, dataset.schema) == ("mnist", None)
    assert dataset.source == {"kind": "tfds", "name": "mnist"}


def test_a_folder(tmp_path):
    dataset = find_dataset(str(tmp_path))
    assert (dataset.name, dataset.schema) == (tmp_path.name, None)
    assert dataset.source == {"kind": "folder", "path": str(tmp_path)}


def test_a_name_of_the_catalogue_wins_over_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    assert find_dataset("digits").source == {"kind": "digits"}
    assert find_dataset("./digits").source["kind"] == "folder"


def test_anything_else_is_refused():
    with pytest.raises(InputError, match="--dataset nope: no such dataset"):
        find_dataset("nope")
