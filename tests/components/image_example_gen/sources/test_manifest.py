"""Tests of manifests in every format, with paths and with gs:// URIs of images."""

import hashlib
import json
import os
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from common.errors import InputError
from components.image_example_gen.sources import manifest
from components.image_example_gen.sources.bucket_listing import ListedFile
from components.image_example_gen.sources.manifest import ManifestSource
from components.image_example_gen.sources.manifest_rows import Row, read_rows
from tests.conftest import class_folder


def rows(text, name="flowers.csv"):
    return [tuple(row)[1:] for row in read_rows(name, text.encode())]


EXPECTED = [("a/1.jpg", "daisy", "train", ""), ("b/2.jpg", "roses", "test", "")]
PLAIN = [("a/1.jpg", "daisy", "", ""), ("b/2.jpg", "roses", "", "")]


@pytest.mark.parametrize(
    "text",
    [
        "a/1.jpg,daisy,train\nb/2.jpg,roses,test\n",
        "path,label,split\na/1.jpg,daisy,train\nb/2.jpg,roses,test",
        "\ufeffSplit;Class;ID;Filename\r\ntrain;daisy;7;a/1.jpg\r\n\r\ntest;roses;8;b/2.jpg\r\n",
        'image\tcategory\tsubset\na/1.jpg\tdaisy\ttrain\n"b/2.jpg"\troses\ttest\n',
        "train,a/1.jpg,daisy\ntest,b/2.jpg,roses\n",
        "\npath,label,split\na/1.jpg,daisy,train\nb/2.jpg,roses,test\n",
    ],
)
def test_csv(text):
    assert rows(text) == EXPECTED


def test_vertex_csv():
    """The rows have the format of a CSV file for Vertex AI.

    Source: cloud.google.com/vertex-ai/docs/image-data/classification/prepare-data.
    """
    text = "test,gs://b/1.jpeg,daisy\ntraining,gs://b/2.gif,daisy\ngs://b/3.gif,roses\n"
    text += "UNASSIGNED,gs://b/4.gif,roses\n,gs://b/5.gif,roses\n"
    assert [row[:3] for row in rows(text)] == [
        ("gs://b/1.jpeg", "daisy", "test"),
        ("gs://b/2.gif", "daisy", "training"),
        ("gs://b/3.gif", "roses", ""),
        ("gs://b/4.gif", "roses", "UNASSIGNED"),
        ("gs://b/5.gif", "roses", ""),
    ]


def test_jsonl():
    text = '{"path": "a/1.jpg", "label": "daisy"}\n\n{"label": "roses", "file_name": "b/2.jpg"}'
    assert rows(text, "x.jsonl") == PLAIN
    separated = '{"path": "a/1.jpg", "label": "day\u2028sy"}\r\n'
    assert rows(separated, "x.jsonl") == [("a/1.jpg", "day\u2028sy", "", "")]
    vertex = {
        "imageGcsUri": "gs://b/1.jpg",
        "classificationAnnotation": {"displayName": "daisy"},
        "dataItemResourceLabels": {"aiplatform.googleapis.com/ml_use": "validation"},
    }
    assert rows(json.dumps(vertex), "x.jsonl") == [("gs://b/1.jpg", "daisy", "validation", "")]


def test_parquet(tmp_path):
    table = {"width": [1, 2], "image_path": ["a/1.jpg", "b/2.jpg"], "label": [3.0, float("nan")]}
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "x.parquet")
    content = (tmp_path / "x.parquet").read_bytes()
    assert read_rows("x.parquet", content) == [Row(1, "a/1.jpg", "3"), Row(2, "b/2.jpg", "")]
    pyarrow.parquet.write_table(pyarrow.table({"width": [1]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"x.parquet: found the columns width; expected the colum"):
        read_rows("x.parquet", (tmp_path / "x.parquet").read_bytes())


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "a.jpg,daisy\nb.jpg,roses\na.jpg,roses\n", "line 3: a.jpg is in line 1 as well"),
        ("x.csv", "a.jpg,daisy\n,roses\n", "line 2 has no path"),
        ("x.csv", "a.jpg,daisy,roses,tulips,train\n", "line 1 has 5 columns; expected path, label"),
        ("x.jsonl", '{"path": "a.jpg", "label": ["a"]}', r"label is \['a'\]; expected one string"),
        ("x.jsonl", '["a.jpg", "a"]', "line 1 is not a JSON object"),
        ("x.jsonl", '{"path": ', "x.jsonl: cannot be read"),
        ("x.jsonl", '{"size": 3}', "line 1 has the columns size; expected the columns path"),
        ("x.parquet", "PAR2", "is not a Parquet file"),
    ],
)
def test_a_file_of_another_format_is_refused(name, text, message):
    with pytest.raises(InputError, match=message):
        read_rows(name, text.encode())


@pytest.fixture
def listed(tmp_path):
    """Returns a manifest of four images, of which one is missing and another has no label."""
    class_folder(tmp_path / "images", images=2)
    path = tmp_path / "lists" / "images.csv"
    path.parent.mkdir()
    path.write_text(
        "path,label,split,group\n"
        f"../images/c0/0.png,cat,train,g1\n{tmp_path}/images/c1/1.png,dog,val,\n"
        "gone.png,dog,test,\n../images/c1/0.png,,,\n"
    )
    return path


def test_images_have_label_split_and_group_of_the_manifest(listed, tmp_path):
    source = ManifestSource(str(listed))
    source.check()
    assert source.classes() == ("cat", "dog")
    images = source.images(tmp_path / "cache")
    assert [(image.label, image.split, image.group) for image in images] == [
        (0, "train", "g1"),
        (1, "validation", ""),
        (1, "test", ""),
        (-1, "", ""),
    ]
    first, second, gone, _ = source.read(images)
    assert first.encoded == (tmp_path / "images" / "c0" / "0.png").read_bytes()
    assert hashlib.sha256(second.encoded).hexdigest() == images[1].digest
    assert gone.error == "cannot be read: No such file or directory"
    assert ManifestSource(str(listed)).fingerprint() == source.fingerprint()
    listed.write_text(listed.read_text().replace(",val,", ",train,"))
    assert ManifestSource(str(listed)).fingerprint() != source.fingerprint()


def test_classes_and_splits_can_be_given(listed):
    source = ManifestSource(str(listed), {"test": ["val", "test"]}, ["dog", "fox", "cat"])
    with pytest.raises(InputError, match=r"line 2: found the split train; expected train, valid"):
        source.prepare()
    splits = {"train": ["t*"], "test": ["val"]}
    source = ManifestSource(str(listed), splits, ["dog", "fox", "cat"])
    source.prepare()
    assert source.classes() == ("dog", "fox", "cat")
    assert [image.label for image in source.images()] == [2, 0, 0, -1]
    assert [image.split for image in source.images()] == ["train", "test", "train", ""]


def test_numbers_are_sorted_by_their_values(tmp_path):
    (tmp_path / "x.csv").write_text("".join(f"{n}.png,{n}\n" for n in range(11, -1, -1)))
    assert ManifestSource(str(tmp_path / "x.csv")).classes() == tuple(map(str, range(12)))


def test_a_manifest_whose_images_are_all_elsewhere(tmp_path):
    (tmp_path / "x.csv").write_text("a/1.png,cat\na/2.png,dog\n")
    with pytest.raises(
        InputError, match=rf"none of its 2 images exists, for example {tmp_path}/a/1"
    ):
        ManifestSource(str(tmp_path / "x.csv")).check()
    with pytest.raises(InputError, match="No such file or directory; expected a manifest"):
        ManifestSource(str(tmp_path / "y.csv")).check()


def test_a_bucket_is_listed_once_for_all_images(tmp_path, monkeypatch):
    """`list_files` is mocked here, and tested in test_bucket_listing.py."""
    asked = []

    def list_files(folder):
        asked.append(folder)
        return [ListedFile(f"gs://b/x/{name}", 5, name) for name in ("1.png", "y/2.png", "3.png")]

    monkeypatch.setattr(manifest, "list_files", list_files)
    path = tmp_path / "x.csv"
    path.write_text("gs://b/x/1.png,cat\ngs://b/x/y/2.png,dog\ngs://b/x/gone.png,dog\n")
    source = ManifestSource(str(path))
    source.prepare()
    one, two, gone = source.images()
    assert asked == ["gs://b/x"]
    assert one.size == two.size == 5
    assert len({one.digest, two.digest}) == 2
    assert gone.digest == ""


def test_a_path_that_is_not_utf8_can_be_read(tmp_path):
    """The path of the manifest's folder need not be UTF-8, although the manifest must be."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    class_folder(folder, images=1)
    (folder / "x.csv").write_text("c0/0.png,cat\nc1/0.png,dog\n")
    source = ManifestSource(str(folder / "x.csv"))
    assert [image.error for image in source.read(source.images())] == ["", ""]
    assert Path(source.images()[0].location).is_file()
