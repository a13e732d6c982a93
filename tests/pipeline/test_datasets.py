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


def test_an_unknown_dataset_is_refused():
    with pytest.raises(InputError, match="--dataset nope: no such dataset"):
        find_dataset("nope")


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("gs://b/lists/flowers.csv", "flowers", "manifest"),
        ("gs://b/lists/Flowers.v2.JSONL", "Flowers", "manifest"),
        ("gs://b/lists/flowers/train-*.tfrecord", "train", "tfrecord"),
        ("gs://b/lists/flowers/*.tfrecord", "flowers", "tfrecord"),
        ("gs://b/flowers.tfrecord-00000-of-00001", "flowers", "tfrecord"),
        ("gs://b/flowers/", "flowers", "remote_folder"),
    ],
)
def test_the_form_of_a_uri_determines_the_kind_of_source(text, name, kind):
    dataset = find_dataset(text)
    assert (dataset.name, dataset.source["kind"]) == (name, kind)
    assert dataset.source["path"] == text.rstrip("/")


def test_files_and_folders_determine_the_kind_of_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flowers.csv").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "a.tfrecord").touch()
    (tmp_path / "tfds" / "flowers" / "1.0.0").mkdir(parents=True)
    (tmp_path / "tfds" / "flowers" / "1.0.0" / "dataset_info.json").touch()
    for text, kind in {
        "flowers.csv": "manifest",
        "records": "tfrecord",
        "records/*": "tfrecord",
        "records/a.tfrecord": "tfrecord",
    }.items():
        assert find_dataset(text).source == {"kind": kind, "path": f"{tmp_path}/{text}"}
    for text, message in {
        "tfds/flowers/1.0.0": f"expected --dataset tfds:flowers --data-dir {tmp_path}/tfds",
        "notes.txt": "is a file; expected",
        "missing.csv": "no such dataset and no such file or folder",
        "missing/*.tfrecord": "no such dataset and no such file or folder",
    }.items():
        with pytest.raises(InputError, match=message):
            find_dataset(text)
    kinds = {text: find_dataset(text, here=False).source["kind"] for text in ("/x.csv", "/x")}
    assert kinds == {"/x.csv": "manifest", "/x": "folder"}
