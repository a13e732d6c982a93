import os
from pathlib import Path

import pytest

from common.files import write_whole
from tests.full_disk import no_room


@pytest.mark.parametrize("before", [None, "old"])
def test_the_text_is_there_and_nothing_else(tmp_path, before):
    path = tmp_path / "note"
    if before:
        path.write_text(before)
    write_whole(path, "ä new text\n")
    assert path.read_text(encoding="utf-8") == "ä new text\n"
    assert os.listdir(tmp_path) == ["note"]


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "other").touch()
    write_whole(tmp_path / "note", "text")
    assert (tmp_path / "note").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_full_disk_leaves_what_was_there(tmp_path):
    path = tmp_path / "note"
    path.write_text("old")
    with no_room(), pytest.raises(OSError, match="File too large"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["note"]


def test_the_bytes_are_on_the_disk_before_the_name(tmp_path, monkeypatch):
    """Else a power failure could leave an empty file of that name."""
    calls = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd)))
    monkeypatch.setattr(Path, "replace", lambda *a: (calls.append("replace"), replace(*a)))
    write_whole(tmp_path / "note", "text")
    assert calls == ["fsync", "replace", "fsync"]


def test_in_a_bucket():
    """`ram://` stands for it."""
    import tensorflow as tf

    write_whole("ram://bucket/note", "text")
    assert tf.io.gfile.GFile("ram://bucket/note").read() == "text"
