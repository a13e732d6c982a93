"""Reads and writes small files, on a disk or in a bucket.

This module loads quickly, because its functions import TensorFlow only when they need it.
"""

import contextlib
import errno
import json
import os
import uuid
from pathlib import Path
from typing import Any

from common.notice import print_notice


def write_whole(path: str | Path, text: str) -> None:
    """Writes `text` to the file at `path` atomically: no reader sees a partly written file.

    On a disk, the function writes a temporary file in the same directory, flushes the file to the
    disk and renames it to `path`, so that a crash or a full disk leaves the previous file at `path`
    intact. In a bucket, the new object becomes visible only when its upload is complete.

    Args:
      path: a path in a directory that exists, or a URL of a file system that TensorFlow knows.
      text: the whole content of the file.

    Raises:
      OSError: the file cannot be written; a file that already exists at `path` stays unchanged.
    """
    if "://" in str(path):
        import tensorflow as tf

        with tf.io.gfile.GFile(str(path), "w") as stream:
            stream.write(text)
        return
    target = Path(os.path.realpath(path))  # if `path` is a symbolic link, replace its target
    new = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.new")
    try:
        with new.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    flush_directory(target.parent)


def read_text(path: str | Path) -> str:
    """Returns the text of the small file at `path`.

    Args:
      path: the path or URL of the file, as in `write_whole`.

    Returns:
      The text; "" if the file does not exist, is empty or is damaged. If the file is empty or
      damaged, for example because of a crash or a full disk, the function also prints a notice with
      the path.

    Raises:
      OSError: the file cannot be read.
    """
    content = read_bytes(path)
    if content is None:
        return ""
    found = content.decode(errors="ignore").strip("\0 \n")
    if found and found.encode() == content:
        return found
    print_notice(f"{path}: the file is damaged or empty; it is written again")
    return ""


def read_or_write(path: str | Path, text: str) -> str:
    """Returns the text of the file at `path`.

    If the file is missing, empty or damaged, the function writes `text` to it, and returns `text`.

    Args:
      path: the path or URL of the file, as in `write_whole`.
      text: the content of a new file.

    Raises:
      OSError: the file cannot be read or written.
    """
    found = read_text(path)
    if not found:
        write_whole(path, text)
    return found or text


def read_json(path: str | Path, expected: str) -> Any:
    """Returns the JSON value in the small file at `path`; None if the file does not exist.

    If the file is damaged, the function prints a notice with the path and returns None.

    Args:
      path: the path or URL of the file, as in `write_whole`.
      expected: a description of the expected content, for the notice.
    """
    content = read_bytes(path)
    if content is None:
        return None
    try:
        return json.loads(content)
    except ValueError as error:
        print_notice(f"{path}: the file is damaged ({error}); expected {expected}; it is ignored")
        return None


def read_bytes(path: str | Path) -> bytes | None:
    """Returns the content of the small file at `path`; None if the file does not exist."""
    if "://" not in str(path):
        try:
            return Path(path).read_bytes()
        except FileNotFoundError:
            return None
    import tensorflow as tf

    try:
        with tf.io.gfile.GFile(str(path), "rb") as stream:
            return stream.read()
    except tf.errors.NotFoundError:
        return None


def flush_directory(directory: Path) -> None:
    """Flushes a directory to the disk with `fsync`, if the file system supports that.

    Without the flush, a power failure can undo the creation or renaming of a file in the directory.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def link_or_copy(source: str, target: str) -> None:
    """Creates hard links in `target` to the files of `source`, or copies the files to `target`.

    The function copies a file only where a hard link, which takes no space on the disk, is not
    possible: in a bucket, between two disks, or on a file system without hard links. Never modify a
    file of `target` in place. If the file is a hard link, the file in `source` would change too.

    Args:
      source: a directory, or a URL of a file system that TensorFlow knows.
      target: a directory or URL; created if it does not exist. A file in `target` is replaced if
        `source` has a file with the same name.
    """
    import tensorflow as tf

    for folder, _, names in tf.io.gfile.walk(source):
        inner = folder.rstrip("/").removeprefix(source.rstrip("/"))
        tf.io.gfile.makedirs(f"{target}{inner}")
        for name in names:
            _link_or_copy_file(f"{folder}/{name}", f"{target}{inner}/{name}")


def _link_or_copy_file(source: str, target: str) -> None:
    import tensorflow as tf

    if "://" not in source and "://" not in target:
        with contextlib.suppress(FileNotFoundError):
            os.remove(target)
        # `os.link` fails between two disks, and on a file system without hard links.
        with contextlib.suppress(OSError):
            os.link(source, target)
            return
    tf.io.gfile.copy(source, target, overwrite=True)
