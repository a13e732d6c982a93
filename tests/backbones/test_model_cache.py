import os
import time

from backbones.model_cache import clean_cache, remove_unused, use_entry

DAY = 24 * 3600


def write_entries(folder, ages, now):
    for name, days in ages.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "saved_model.pb").write_bytes(b"x" * 100)
        os.utime(folder / name, (now - days * DAY,) * 2)


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_ten_entries_and_those_of_the_last_week_are_kept(tmp_path):
    write_entries(tmp_path, {f"new{n}": 1 for n in range(9)}, now=1e9)
    write_entries(tmp_path, {"ten": 8, "old": 9, ".old.lock": 99, ".writing": 99}, now=1e9)
    remove_unused(tmp_path, now=1e9)
    assert names(tmp_path) == {*(f"new{n}" for n in range(9)), "ten", ".old.lock", ".writing"}
    write_entries(tmp_path, {f"newer{n}": 6 for n in range(9)}, now=1e9)
    # An empty file stands for the digest file that `backbones.digests` writes for a download.
    (tmp_path / "ten.sha256").touch()
    remove_unused(tmp_path, now=1e9)
    assert not {"ten", "ten.sha256"} & names(tmp_path)
    assert len(names(tmp_path)) == 9 + 9 + 2


def test_using_an_entry_keeps_it_and_removes_old_entries(tmp_path):
    write_entries(tmp_path, {f"{n}": 10 + n for n in range(13)}, now=time.time())
    assert use_entry(tmp_path / "12") == tmp_path / "12"
    assert names(tmp_path) == {*map(str, range(9)), "12"}


def test_an_entry_of_a_read_only_cache_is_used(tmp_path):
    """An entry is used even if `use_entry` cannot set its time of use.

    In this test, the time cannot be set because the entry does not exist, and not because the cache
    is read-only.
    """
    assert use_entry(tmp_path / "x" / "y") == tmp_path / "x" / "y"


def test_cleaning_leaves_downloads(tmp_path):
    for folder in ("converted", "random", "remote", "models", "checkpoints", "downloaded"):
        write_entries(tmp_path / folder, {"a": 0}, now=time.time())
    (tmp_path / "models" / ".a.lock").touch()  # left by a killed process
    (tmp_path / "converted" / ".half").mkdir()
    expected = [(tmp_path / name, 100) for name in ("converted", "random", "remote")]
    assert clean_cache(tmp_path) == expected
    assert not any(names(folder) for folder, _ in expected)
    assert all(names(tmp_path / name) == {"a"} for name in ("models", "checkpoints", "downloaded"))
    assert clean_cache(tmp_path) == []
