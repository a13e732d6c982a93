"""By Beam's file system for local paths; listing gs:// is tested in test_bucket_listing.py."""

import apache_beam as beam
import pytest

from common.errors import InputError
from components.image_example_gen.sources.folder import FolderSource
from components.image_example_gen.sources.remote_folder import RemoteFolderSource
from tests.conftest import class_folder


@pytest.fixture
def folder(tmp_path):
    folder = class_folder(tmp_path / "images")
    (folder / "c0" / ".hidden").touch()
    (folder / "README").touch()
    (folder / "c1" / "deeper").mkdir()
    (folder / "c1" / "deeper" / "x.png").write_bytes(b"x")
    return folder


def test_bytes_are_read(folder, tmp_path):
    with beam.Pipeline() as pipeline:
        _ = (
            pipeline
            | RemoteFolderSource(str(folder)).read("train")
            | beam.Map(lambda i: f"{i.file_name} {i.label} {i.encoded.hex()} {i.error}")
            | beam.io.WriteToText(str(tmp_path / "read"), shard_name_template="")
        )
    expected = {
        f"{path.relative_to(folder)} {label} {path.read_bytes().hex()} "
        for label in (0, 1)
        for path in (folder / f"c{label}").rglob("*.png")
    }
    assert set((tmp_path / "read").read_text().splitlines()) == expected
    assert len(expected) == 7


def test_a_remote_folder_finds_the_same_as_a_local_folder(folder):
    remote, local = RemoteFolderSource(f"{folder}/"), FolderSource(str(folder))
    remote.prepare()
    assert remote.classes() == local.classes()
    assert remote._shuffled() == local._shuffled()


def test_any_change_changes_the_fingerprint(folder):
    def fingerprint():
        return RemoteFolderSource(str(folder)).fingerprint()

    before = fingerprint()
    assert fingerprint() == before
    (folder / "c0" / "new.png").write_bytes(b"new")
    assert fingerprint() != before


def test_too_few_classes_are_refused(tmp_path):
    with pytest.raises(InputError, match="found 1 class folders"):
        RemoteFolderSource(str(class_folder(tmp_path / "one", classes=1))).prepare()
    folder = class_folder(tmp_path / "flowers" / "flowers")
    with pytest.raises(InputError, match=rf"; did you mean {folder}\?$"):
        RemoteFolderSource(str(folder.parent)).prepare()


def test_a_scheme_that_nobody_knows_is_refused():
    with pytest.raises(InputError, match="nope://x: cannot be listed"):
        RemoteFolderSource("nope://x").prepare()
