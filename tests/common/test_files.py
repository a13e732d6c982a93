import os
from pathlib import Path

import pytest

from common.files import read_json, read_or_write, write_whole
from common.notice import logger
from tests.full_disk import full_disk


def read_notices(caplog):
    """Returns the notices of a test; threads of earlier tests may log to other loggers."""
    return [record.getMessage() for record in caplog.records if record.name == logger.name]


@pytest.mark.parametrize("before", [None, "old"])
def test_the_folder_has_the_new_text_and_no_other_file(tmp_path, before):
    path = tmp_path / "note"
    if before:
        path.write_text(before)
    write_whole(path, "ä new text\n")
    assert path.read_text(encoding="utf-8") == "ä new text\n"
    assert os.listdir(tmp_path) == ["note"]


def test_the_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "other").touch()
    write_whole(tmp_path / "note", "text")
    assert (tmp_path / "note").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "note"
    path.write_text("old")
    with full_disk(), pytest.raises(OSError, match="File too large"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["note"]


def test_a_file_is_synced_before_it_is_renamed(tmp_path, monkeypatch):
    """Without the fsync before the renaming, a power failure could leave an empty file."""
    calls = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd)))
    monkeypatch.setattr(Path, "replace", lambda *a: (calls.append("replace"), replace(*a)))
    write_whole(tmp_path / "note", "text")
    assert calls == ["fsync", "replace", "fsync"]


def test_a_symbolic_link_is_kept(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "note").symlink_to("elsewhere/note")
    write_whole(tmp_path / "note", "text")
    assert (tmp_path / "elsewhere" / "note").read_text() == "text"
    assert (tmp_path / "note").is_symlink()


@pytest.mark.parametrize("path", ["note", "ram://bucket/files/note"])  # ram:// stands for a bucket
def test_the_first_text_is_kept(path, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    assert read_or_write(path, "one") == "one"
    assert read_or_write(path, "two") == "one"
    assert not read_notices(caplog)


@pytest.mark.parametrize("content", [b"", b"\n", b"\0\0\0", b"o\xffe"])
def test_a_damaged_text_is_written_again(tmp_path, content, caplog):
    (tmp_path / "note").write_bytes(content)
    assert read_or_write(tmp_path / "note", "two") == "two"
    assert (tmp_path / "note").read_text() == "two"
    assert f"{tmp_path / 'note'}: the file is damaged or empty" in caplog.text


def test_damaged_json_is_named_and_ignored(tmp_path, caplog):
    assert read_json(tmp_path / "note", "a list") is None
    (tmp_path / "note").write_text("[1, 2]")
    assert read_json(tmp_path / "note", "a list") == [1, 2]
    assert not read_notices(caplog)
    (tmp_path / "note").write_text("[1, 2")
    assert read_json(tmp_path / "note", "a list") is None
    assert f"{tmp_path / 'note'}: the file is damaged" in caplog.text
