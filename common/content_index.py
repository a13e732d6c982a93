"""Digests of files, kept in an index so that a second look costs one `stat` a file.

A file is taken to be unchanged if size, time of modification, time of change and inode are as they
were. The time of change is the kernel's: no program sets it. As in Git (Documentation/technical/
racy-git.adoc), a file that had just been changed when it was read is read again the next time: a
further change within the same tick of the clock would leave all of these as they are.
"""

import contextlib
import hashlib
import json
import logging
import os
import stat
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from common.lock import hold_lock

logger = logging.getLogger(__name__)

# Of the entries' form; an index of another one is made anew.
_FORMAT = 1
# FAT's clock ticks every 2 s, which is the slowest; another second is for clocks of file servers.
_SETTLED_AFTER = 3_000_000_000
_KEPT = 32  # indices in one directory; those that were written longest ago are removed
_THREADS = 8

# Size, times of modification and of change (ns), inode.
_Identity = list[int]
# By name: the identity of the file that was read, and the digest of what was read.
_Entries = dict[str, list]


class FileContent(NamedTuple):
    """What a file holds.

    Attributes:
      name: as it was asked for.
      size: in bytes.
      digest: SHA-256 of its content, 64 hex digits; empty where it could not be read.
    """

    name: str
    size: int
    digest: str


def read_contents(files: Sequence[tuple[str, str]], index: Path | None) -> list[FileContent]:
    """Size and digest of each file; only those are read that the index does not know as they are.

    Args:
      files: name and path of each; names are unique.
      index: file that is read, and replaced where something changed. One that is damaged or cannot
        be written costs time and nothing else. None reads every file.

    Returns:
      In the order of `files`. A file that cannot be read has no digest and is looked at anew the
      next time.
    """
    known = _load(index) if index else {}
    found: dict[str, FileContent] = {}
    entries: _Entries = {}
    unknown = []
    for name, path in files:
        try:
            identity = _identity(os.stat(path))
        except OSError:
            found[name] = FileContent(name, 0, "")
            continue
        entry = known.get(name)
        if entry and entry[0] == identity:
            found[name] = FileContent(name, identity[0], entry[1])
            entries[name] = entry
        else:
            unknown.append((name, path))
    try:
        _read_all(unknown, found, entries)
    finally:  # also where it is interrupted, to go on from there
        if index and (unknown or len(entries) < len(known)):
            _save(index, entries)
    return [found[name] for name, _ in files]


def _read_all(
    files: Sequence[tuple[str, str]], found: dict[str, FileContent], entries: _Entries
) -> None:
    if not files:
        return
    logger.info("reading %d files, to know them by their contents", len(files))
    pool = ThreadPoolExecutor(_THREADS)  # hashing and waiting for a disk leave Python's lock alone
    try:
        names = [name for name, _ in files]
        for name, read in zip(names, pool.map(_read, *zip(*files, strict=True)), strict=True):
            found[name], identity = read
            if identity:
                entries[name] = [identity, found[name].digest]
    finally:
        pool.shutdown(cancel_futures=True)


def _read(name: str, path: str) -> tuple[FileContent, _Identity | None]:
    """The content of a file; and its identity, if that will tell whether it has changed since."""
    now = time.time_ns()
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return FileContent(name, 0, ""), None  # opening a pipe would wait for a writer
        with open(path, "rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            after = os.fstat(file.fileno())
    except OSError:
        return FileContent(name, 0, ""), None
    identity = _identity(after)
    is_known = _identity(before) == identity and _is_settled(after, now)
    return FileContent(name, after.st_size, digest), identity if is_known else None


def _identity(status: os.stat_result) -> _Identity:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _is_settled(status: os.stat_result, now: int) -> bool:
    """Whether a change after `now` (ns) gives the file another identity."""
    # A time of modification far in the future, as of a camera, is replaced by any change.
    return (
        status.st_ctime_ns < now - _SETTLED_AFTER and abs(status.st_mtime_ns - now) > _SETTLED_AFTER
    )


def _load(index: Path) -> _Entries:
    """The entries of an index; none where it is missing, damaged, or of another format."""
    try:
        digest, _, content = index.read_bytes().partition(b"\n")
        if hashlib.sha256(content).hexdigest().encode() != digest:
            return {}
        stored = json.loads(content)
    except (OSError, ValueError):
        return {}
    return stored["entries"] if stored["format"] == _FORMAT else {}


def _save(index: Path, entries: _Entries) -> None:
    content = json.dumps({"format": _FORMAT, "entries": entries}, separators=(",", ":")).encode()
    new = index.with_name(f".{index.name}.new")
    try:
        with hold_lock(index):
            new.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
            new.replace(index)
    except OSError as error:
        logger.warning("%s cannot be written (%s): all files are read anew", index, error.strerror)
        return
    with contextlib.suppress(FileNotFoundError):  # another process removes one at the same time
        indices = sorted(index.parent.glob("*.json"), key=lambda i: i.stat().st_mtime_ns)
        for oldest in indices[:-_KEPT]:
            oldest.unlink()
