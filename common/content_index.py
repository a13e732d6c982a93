"""Keeps the digests of files in an index, so that unchanged files need not be read again.

A file counts as unchanged if its size, time of modification (mtime), time of change (ctime) and
inode are the same as before. The mtime alone is not enough, because a program can modify a file and
then set its mtime back. A program cannot set the ctime. If a file was modified just before it was
read, the next call reads the file again, because a second modification in the same tick of the file
system's clock might leave the mtime and the ctime unchanged. Git also rereads files that were
modified just before it last read them (see Documentation/technical/racy-git.adoc).
"""

import contextlib
import hashlib
import json
import logging
import os
import stat
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from common.lock import hold_lock

logger = logging.getLogger(__name__)

# Version of the index format; an index of another version is rebuilt.
_FORMAT = 1
# The index keeps the digest of a file only if the file was last changed more than `_SETTLED_AFTER`
# nanoseconds before it was read: 2 s, the longest tick of a file system's clock (FAT), and 1 s
# because a file server's clock may differ from this machine's clock.
_SETTLED_AFTER = 3_000_000_000
_KEPT = 32  # number of index files that are kept; older index files are deleted
_THREADS = 8

# The identity of a file: size, time of modification (ns), time of change (ns), inode.
_Identity = list[int]
# Maps the name of a file to a list of two items: the `_Identity` of the file when it was read, and
# the digest of the file's content.
_Entries = dict[str, list]


class FileContent(NamedTuple):
    """Size and digest of a file.

    Attributes:
      name: the name that the caller gave the file.
      size: the size of the file, in bytes.
      digest: the digest of the content, 64 hex digits; empty if the file could not be read.
    """

    name: str
    size: int
    digest: str


def index_path(cache: Path | None, key: str) -> Path | None:
    """Returns the path of the index for a set of files; None if `cache` is None.

    Args:
      cache: the cache directory, whose files can all be created again.
      key: a string that identifies the set of files, such as the path of their folder.
    """
    name = hashlib.sha256(os.fsencode(key)).hexdigest()[:16]
    return cache / "contents" / f"{name}.json" if cache else None


def hash_file(path: str | Path) -> str:
    """Returns the SHA-256 of the bytes of a file, 64 hex digits."""
    with Path(path).open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_contents(
    files: Sequence[tuple[str, str]],
    index: Path | None,
    digest_of: Callable[[str], str] = hash_file,
) -> list[FileContent]:
    """Returns the size and digest of each file; reads only files that are new or have changed.

    Args:
      files: the name and the path of each file; each name occurs once.
      index: path of the index, which is updated if a file was added, removed or changed. A damaged
        index is rebuilt. If the index cannot be written, the next call reads all files again. If
        `index` is None, every file is read.
      digest_of: function from the path of a file to its digest; several threads call it. Use a
        separate index for each `digest_of`, because an index does not record which function
        computed its digests.

    Returns:
      One entry for each of `files`, in the same order. If a file cannot be read, its digest is
      empty, and the next call tries to read the file again.
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
        _read_all(unknown, digest_of, found, entries)
    finally:  # keep the digests computed so far, even if the call is interrupted
        if index and (unknown or len(entries) < len(known)):
            _save(index, entries)
    return [found[name] for name, _ in files]


def _read_all(
    files: Sequence[tuple[str, str]],
    digest_of: Callable[[str], str],
    found: dict[str, FileContent],
    entries: _Entries,
) -> None:
    if not files:
        return
    logger.info("hashing the contents of %d files", len(files))
    pool = ThreadPoolExecutor(_THREADS)  # threads help, because hashing and reading release the GIL
    try:
        for content, identity in pool.map(lambda file: _read(file[0], file[1], digest_of), files):
            found[content.name] = content
            if identity:
                entries[content.name] = [identity, content.digest]
    finally:
        pool.shutdown(cancel_futures=True)


def _read(
    name: str, path: str, digest_of: Callable[[str], str]
) -> tuple[FileContent, _Identity | None]:
    """Returns the content and the identity (size, times and inode) of a file.

    If the identity is None, the next call of `read_contents` reads the file again. The identity is
    None if the file cannot be read, if the file changed while it was read, or if the file changed
    so recently that another change might leave its mtime and ctime the same.
    """
    now = time.time_ns()
    try:
        before = os.stat(path)
        if not stat.S_ISREG(before.st_mode):
            # Do not open a named pipe, because `open` would block until another process opens the
            # pipe for writing.
            return FileContent(name, 0, ""), None
        digest = digest_of(path)
        after = os.stat(path)
    except OSError:
        return FileContent(name, 0, ""), None
    identity = _identity(after)
    is_certain = _identity(before) == identity and _is_settled(after, now)
    return FileContent(name, after.st_size, digest), identity if is_certain else None


def _identity(status: os.stat_result) -> _Identity:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _is_settled(status: os.stat_result, now: int) -> bool:
    """Whether every write to the file after the time `now` (ns) changes its mtime or its ctime."""
    # If the mtime is in the future (a camera may have had a wrong clock), any write to the file
    # changes the mtime, because a write sets the mtime to the present time.
    return (
        status.st_ctime_ns < now - _SETTLED_AFTER and abs(status.st_mtime_ns - now) > _SETTLED_AFTER
    )


def _load(index: Path) -> _Entries:
    """Returns the entries of an index; {} if the index is missing, damaged or of another format."""
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
        logger.warning(
            "%s cannot be written (%s): the next run reads all files again", index, error.strerror
        )
        return
    with contextlib.suppress(FileNotFoundError):  # another process may have deleted the file
        indices = sorted(index.parent.glob("*.json"), key=lambda i: i.stat().st_mtime_ns)
        for oldest in indices[:-_KEPT]:
            oldest.unlink()
