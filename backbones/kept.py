"""What the cache of models keeps, and for how long. Imports no TensorFlow.

Below the cache's directory, `converted`, `random` and `remote` hold SavedModels that can be made or
copied again; another one comes with each change of a checkpoint, of the code that converts it, or
of an object in a bucket. `models`, `checkpoints` and `downloaded` hold downloads, and what a person
has put there; they are not touched.
"""

import contextlib
import os
import shutil
import time
from pathlib import Path

from backbones.digests import digest_file

FOLDERS = ("converted", "random", "remote")
_MOST = 10  # entries of a folder
_DAYS = 7  # for which an entry is not removed after its last use: a run may still read it


def use_entry(entry: Path) -> Path:
    """Notes that an entry of the cache is used now, and removes others that are long unused.

    At most ten entries of a folder are kept, but for those that were used within a week.

    Args:
      entry: a file or directory in one of `FOLDERS`.

    Returns:
      `entry`.
    """
    # A cache that cannot be written, such as one in a container's image, does not grow either.
    with contextlib.suppress(OSError):
        os.utime(entry)
        remove_unused(entry.parent, now=time.time())
    return entry


def remove_unused(folder: Path, *, now: float) -> None:
    """Removes what is too much in a folder of the cache, and has not been used for a week.

    Args:
      folder: one of `FOLDERS`.
      now: the time, in seconds since the epoch.
    """
    entries = sorted(_entries(folder), key=lambda path: path.stat().st_mtime, reverse=True)
    for entry in entries[_MOST:]:
        if now - entry.stat().st_mtime > _DAYS * 24 * 3600:
            _remove(entry)


def clean_cache(cache: Path) -> list[tuple[Path, int]]:
    """Removes all that can be made or copied again, and what killed processes have left.

    Returns:
      The folders of which something was removed, and how many bytes.
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
    """All but locks, directories that are being written, and digests, which go with their entry."""
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
    """Bytes of a file, or of all files below a directory."""
    files = [entry] if entry.is_file() else entry.rglob("*")
    return sum(file.lstat().st_size for file in files if file.is_file())
