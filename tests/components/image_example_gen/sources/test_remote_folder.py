"""Tests of RemoteFolderSource with Beam's file system for local paths.

test_bucket_listing.py tests the listing of a gs:// bucket.
"""

from pathlib import Path

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


def test_a_remote_folder_lists_and_reads_the_same_as_a_local_folder(folder):
    remote, local = RemoteFolderSource(f"{folder}/"), FolderSource(str(folder))
    remote.prepare()
    assert remote.classes() == local.classes()
    found = remote.images()
    assert [image._replace(digest="") for image in found] == [
        image._replace(digest="") for image in local.images()
    ]
    assert list(remote.read(found)) == list(local.read(local.images()))
    assert len(found) == 7


def test_a_file_that_vanished_or_has_another_size_is_passed_on_with_its_error(folder):
    source = RemoteFolderSource(str(folder))
    vanished, changed, *_ = source.images()
    Path(vanished.location).unlink()
    Path(changed.location).write_bytes(b"x")
    first, second = source.read([vanished, changed])
    assert first.error.startswith("cannot be read: ")
    assert second.error == "cannot be read: the file changed after it was listed"


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


def test_an_unknown_scheme_is_refused():
    with pytest.raises(InputError, match="nope://x: cannot be listed"):
        RemoteFolderSource("nope://x").prepare()
