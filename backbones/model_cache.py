"""Removes old entries from the cache of models. Imports no TensorFlow.

In the cache directory, the folders `converted`, `random` and `remote` hold SavedModels that can be
created or copied again. Each change of a checkpoint, of the code that converts it, or of an object
in a bucket adds a SavedModel. Nothing is removed from `models`, `checkpoints` and `downloaded`,
which hold downloads and the user's own files.
"""

import contextlib
import os
import shutil
import time
from pathlib import Path

from backbones.digests import digest_file

FOLDERS = ("converted", "random", "remote")
_MOST_ENTRIES = 10  # number of entries of a folder that are never removed
_DAYS = 7  # days for which an entry stays after its last use, since a run may still read it


def use_entry(entry: Path) -> Path:
    """Marks an entry of the cache as used now, and removes entries that have been unused for long.

    A folder keeps its ten most recently used entries, and all entries used in the last week.

    Args:
      entry: a file or directory in one of `FOLDERS`.

    Returns:
      `entry`.
    """
    # A read-only cache, such as in a container image, does not grow, so errors do no harm.
    with contextlib.suppress(OSError):
        os.utime(entry)
        remove_unused(entry.parent, now=time.time())
    return entry


def remove_unused(folder: Path, *, now: float) -> None:
    """Removes entries unused for a week, but keeps the ten most recently used entries.

    Args:
      folder: one of `FOLDERS`.
      now: the time, in seconds since the epoch.
    """
    entries = sorted(_entries(folder), key=lambda path: path.stat().st_mtime, reverse=True)
    for entry in entries[_MOST_ENTRIES:]:
        if now - entry.stat().st_mtime > _DAYS * 24 * 3600:
            _remove(entry)


def clean_cache(cache: Path) -> list[tuple[Path, int]]:
    """Removes all entries that can be created or copied again, and the locks of killed processes.

    Returns:
      Each folder from which entries were removed, and the size of these entries in bytes.
    """
    removed = []
    for folder in (cache / name for name in FOLDERS):
        entries = list(folder.iterdir()) if folder.is_dir() else []
        size = sum(map(_size, entries))
        for entry in entries:
            _remove(entry)
        if entries:
            removed.append((folder, size))
    for lock in cache.rglob(".*.lock"):
        lock.unlink(missing_ok=True)
    return removed


def _entries(folder: Path) -> list[Path]:
    """Lists the entries; leaves out locks, unfinished directories and files with digests."""
    return [
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.suffix != digest_file(path).suffix
    ]


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)
    digest_file(entry).unlink(missing_ok=True)


def _size(entry: Path) -> int:
    """Returns the size in bytes of a file, or of all files below a directory."""
    files = [entry] if entry.is_file() else entry.rglob("*")
    return sum(file.lstat().st_size for file in files if file.is_file())
