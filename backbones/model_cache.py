"""Removes old entries from the cache of models.

This module does not import TensorFlow, which takes seconds to import.

In the cache directory, the folders `converted`, `random` and `remote` hold SavedModels that can be
created or copied again. These folders would grow without limit, because the pipeline adds a
SavedModel whenever a checkpoint, the code that converts checkpoints, or an object in a bucket has
changed. This module removes nothing from the folders `models`, `checkpoints` and `downloaded`,
which hold downloads and files that the user put there.
"""

import contextlib
import os
import shutil
import time
from pathlib import Path

from backbones.digests import digest_file

FOLDERS = ("converted", "random", "remote")
_MOST_ENTRIES = 10  # number of most recently used entries that each folder keeps
_DAYS = 7  # days for which an entry is kept after its last use, because a run may still read it


def use_entry(entry: Path) -> Path:
    """Marks a cache entry as used, by setting its modification time to now; removes old entries.

    An entry is old if it was not used in the last week and is not among the ten most recently used
    entries of its folder.

    Args:
      entry: a file or directory in one of `FOLDERS`.

    Returns:
      `entry`.
    """
    # Ignore the OSError that `os.utime` raises if the cache is read-only, for example in a
    # container image: a read-only cache does not grow, so no entry needs to be removed.
    with contextlib.suppress(OSError):
        os.utime(entry)
        remove_unused(entry.parent, now=time.time())
    return entry


def remove_unused(folder: Path, *, now: float) -> None:
    """Removes entries that were not used for a week, except the ten most recently used entries.

    Args:
      folder: one of `FOLDERS`.
      now: the time, in seconds since the epoch.
    """
    entries = sorted(_entries(folder), key=lambda path: path.stat().st_mtime, reverse=True)
    for entry in entries[_MOST_ENTRIES:]:
        if now - entry.stat().st_mtime > _DAYS * 24 * 3600:
            _remove(entry)


def clean_cache(cache: Path) -> list[tuple[Path, int]]:
    """Removes all entries that can be created or copied again, and lock files of killed processes.

    Returns:
      Each folder from which entries were removed, and the total size of the removed entries in
      bytes.
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
    """Lists the models in `folder`, but no lock files, unfinished directories or digest files."""
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
