import hashlib
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from common import content_index
from common.content_index import read_contents

LATER = 10_000_000_000  # ns


@pytest.fixture
def folder(tmp_path):
    """Returns a folder with three files."""
    for name in ("a", "b", "c"):
        (tmp_path / "files").mkdir(exist_ok=True)
        (tmp_path / "files" / name).write_text(f"content of {name}")
    return tmp_path / "files"


@pytest.fixture
def index(tmp_path):
    return tmp_path / "home" / "index.json"


@pytest.fixture
def reads(monkeypatch):
    """Records the names of the files that are read; returns the list of names."""
    names = []
    read = content_index._read
    monkeypatch.setattr(content_index, "_read", lambda n, *rest: names.append(n) or read(n, *rest))
    return names


@pytest.fixture
def clock_ahead(monkeypatch):
    """Sets the clock 10 seconds ahead, so that the files do not seem to have just changed."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + LATER)


def contents_of(folder, index):
    return read_contents([(path.name, str(path)) for path in sorted(folder.iterdir())], index)


def test_names_sizes_and_digests(folder, index):
    for _ in range(2):
        for found, path in zip(contents_of(folder, index), sorted(folder.iterdir()), strict=True):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            assert found == (path.name, path.stat().st_size, digest)


def test_unchanged_files_are_not_read_again(folder, index, reads, clock_ahead):
    first = contents_of(folder, index)
    assert sorted(reads) == ["a", "b", "c"]
    reads.clear()
    written = index.stat()
    assert contents_of(folder, index) == first
    assert reads == []
    assert index.stat() == written


def test_only_changed_files_are_read(folder, index, reads, clock_ahead):
    contents_of(folder, index)
    reads.clear()
    (folder / "b").write_text("another content")
    (folder / "d").write_text("new")
    (folder / "c").unlink()
    assert [file.name for file in contents_of(folder, index)] == ["a", "b", "d"]
    assert sorted(reads) == ["b", "d"]


def test_a_change_with_the_same_size_and_time_is_found(folder, index, clock_ahead):
    a = folder / "a"
    before, status = contents_of(folder, index), a.stat()
    a.write_text("CONTENT OF A")
    os.utime(a, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert a.stat().st_size == status.st_size
    after = contents_of(folder, index)
    assert [one.name for one, other in zip(before, after, strict=True) if one != other] == ["a"]


def test_a_file_that_had_just_changed_is_read_again(folder, index, reads):
    """A file that has just changed may change again and keep the same modification time.

    The modification time stays the same if both changes are within the same tick of the clock.
    """
    for _ in range(2):
        contents_of(folder, index)
    assert sorted(reads) == ["a", "a", "b", "b", "c", "c"]


@pytest.mark.parametrize(
    ("modified", "changed", "expected"),
    [(-60, -60, True), (-60, -1, False), (-1, -60, False), (60, -60, True), (-60, 60, False)],
)
def test_which_files_have_settled(modified, changed, expected):
    now = time.time_ns()
    times = {"st_mtime_ns": now + modified * 10**9, "st_ctime_ns": now + changed * 10**9}
    assert content_index._is_settled(SimpleNamespace(**times), now) == expected


def test_a_file_that_changes_while_it_is_read_is_read_again(
    folder, index, reads, clock_ahead, monkeypatch
):
    digest = hashlib.file_digest

    def slow(file, name):
        found = digest(file, name)
        if os.path.samestat(os.fstat(file.fileno()), (folder / "b").stat()):
            (folder / "b").write_text("more than before")
        return found

    monkeypatch.setattr(hashlib, "file_digest", slow)
    contents_of(folder, index)
    reads.clear()
    monkeypatch.setattr(hashlib, "file_digest", digest)
    contents = contents_of(folder, index)
    assert reads == ["b"]
    assert contents[1].digest == hashlib.sha256(b"more than before").hexdigest()


def test_a_missing_file_is_looked_up_again(folder, index, clock_ahead, monkeypatch):
    expected = contents_of(folder, None)

    def away(file, name):
        raise OSError("Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", away)
        assert [file.digest for file in contents_of(folder, index)] == ["", "", ""]
    assert contents_of(folder, index) == expected


def test_a_pipe_and_a_broken_link_have_no_digest(folder, index):
    os.mkfifo(folder / "d")
    (folder / "e").symlink_to(folder / "nowhere")
    assert [file.digest for file in contents_of(folder, index)][3:] == ["", ""]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-20],
        lambda content: content.replace(b'"b"', b'"B"'),
        lambda content: b"\xff" * 100,
        lambda content: content.partition(b"\n")[2],
    ],
    ids=["empty", "cut off", "changed", "rubbish", "without checksum"],
)
def test_a_damaged_index_is_replaced(folder, index, reads, clock_ahead, damage):
    first = contents_of(folder, index)
    content = index.read_bytes()
    index.write_bytes(damage(content))
    assert contents_of(folder, index) == first
    assert len(reads) == 6
    assert index.read_bytes() == content


def test_an_index_of_another_format_is_replaced(folder, index, reads, clock_ahead, monkeypatch):
    contents_of(folder, index)
    monkeypatch.setattr(content_index, "_FORMAT", 0)
    contents_of(folder, index)
    assert len(reads) == 6


def test_contents_are_read_without_a_place_for_the_index(folder, tmp_path, caplog):
    (tmp_path / "file").touch()
    expected = contents_of(folder, None)
    assert contents_of(folder, tmp_path / "file" / "index.json") == expected
    assert "cannot be written" in caplog.text


def test_an_interrupted_index_is_completed(folder, index, reads, clock_ahead, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(content_index, "_THREADS", 1)
        read = content_index._read

        def interrupted(name, *rest):
            if name == "c":
                raise KeyboardInterrupt
            return read(name, *rest)

        patch.setattr(content_index, "_read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            contents_of(folder, index)
    reads.clear()
    contents_of(folder, index)
    assert reads == ["c"]


def test_old_indices_are_removed(folder, tmp_path, clock_ahead):
    for number in range(40):
        contents_of(folder, tmp_path / "home" / f"{number}.json")
    kept = {int(path.stem) for path in (tmp_path / "home").glob("*.json")}
    assert kept == set(range(8, 40))


SEVERAL = """
import sys, time
from pathlib import Path
from common import content_index

now = time.time_ns
time.time_ns = lambda: now() + 10_000_000_000
folder, index = map(Path, sys.argv[1:])
files = [(path.name, str(path)) for path in sorted(folder.iterdir())]
for number in range(50):
    content_index.read_contents(files[number % 2 :], index)
    assert content_index._load(index), "found half an index"
"""


def test_several_processes_at_once_leave_a_whole_index(folder, index, project):
    command = [sys.executable, "-c", SEVERAL, str(folder), str(index)]
    processes = [subprocess.Popen(command, cwd=project) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert set(content_index._load(index)) in ({"a", "b", "c"}, {"b", "c"})
    assert [path.name for path in index.parent.iterdir() if path.suffix != ".lock"] == [index.name]
