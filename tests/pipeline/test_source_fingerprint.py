import shutil

import pytest

from components.image_example_gen.sources.folder import FolderSource
from components.image_example_gen.sources.remote_folder import RemoteFolderSource
from components.image_example_gen.unread import note_unread
from pipeline.source_fingerprint import find_fingerprint
from tests.conftest import class_folder


@pytest.mark.parametrize("kind", [FolderSource, RemoteFolderSource])
def test_a_restored_image_changes_the_fingerprint(tmp_path, kind):
    folder, notes, cache = class_folder(tmp_path / "data"), f"{tmp_path}/notes", tmp_path / "home"

    def find():
        return find_fingerprint(kind(str(folder)), notes, cache)

    first = find()
    assert first == find() == kind(str(folder)).fingerprint()
    # In the first run, ImageExampleGen could not read c0/0.png, but now the file exists.
    note_unread(notes, first, ["c0/0.png"])
    second = find()
    assert second != first
    assert find() == second
    # In the second run, too, ImageExampleGen could not read c0/0.png.
    note_unread(notes, second, ["c0/0.png"])
    assert find() not in (first, second)
    # Finally, the test deletes c0/0.png.
    (folder / "c0" / "0.png").unlink()
    gone = find()
    assert gone == kind(str(folder)).fingerprint()
    assert gone not in (first, second)


def test_a_permanently_unreadable_image_does_not_change_the_fingerprint(tmp_path):
    folder, notes, cache = class_folder(tmp_path / "data"), f"{tmp_path}/notes", tmp_path / "home"
    (folder / "c0" / "link.png").symlink_to(tmp_path / "elsewhere")

    def find():
        return find_fingerprint(FolderSource(str(folder)), notes, cache)

    first = find()
    note_unread(notes, first, ["c0/link.png"])
    assert find() == first
    shutil.copy(folder / "c0" / "0.png", tmp_path / "elsewhere")
    assert find() != first
