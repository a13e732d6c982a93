"""Small files that outlive a run: records, names, notes. Imports no TensorFlow until a bucket is
named."""

import contextlib
import errno
import json
import os
import uuid
from pathlib import Path
from typing import Any

from common.notice import notice


def write_whole(path: str | Path, text: str) -> None:
    """Writes `text` to the file at `path`, of which nobody ever sees a part.

    On a disk the text goes to a temporary file beside it, is flushed to the disk, and the file is
    renamed: after a crash or on a full disk, what was at `path` before is still there. An object in
    a bucket appears when its upload is complete.

    Args:
      path: of a directory that exists, or a URL of a file system that TensorFlow knows.
      text: all that the file will say.

    Raises:
      OSError: the file cannot be written; nothing is left of it.
    """
    if "://" in str(path):
        import tensorflow as tf

        with tf.io.gfile.GFile(str(path), "w") as stream:
            stream.write(text)
        return
    target = Path(os.path.realpath(path))  # a link stays one
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
    """Returns the text of the small file at `path`, which is to be written where it has none.

    Args:
      path: as in `write_whole`.

    Returns:
      The text; empty without a file. It is also empty for a file that is empty or holds no text, as
      a crash or a full disk may leave it; a notice names such a file.

    Raises:
      OSError: the file cannot be read.
    """
    content = read_bytes(path)
    if content is None:
        return ""
    found = content.decode(errors="ignore").strip("\0 \n")
    if found and found.encode() == content:
        return found
    notice(f"{path}: the file is damaged or empty; it is written again")
    return ""


def read_or_write(path: str | Path, text: str) -> str:
    """Returns the text of the small file at `path`; where it has none, `text` is written first.

    Args:
      path: as in `write_whole`.
      text: the new content of the file.

    Raises:
      OSError: the file cannot be read or written.
    """
    found = read_text(path)
    if not found:
        write_whole(path, text)
    return found or text


def read_json(path: str | Path, expected: str) -> Any:
    """Returns the JSON value in the small file at `path`; None without a file.

    A damaged file counts as none, and a notice names it.

    Args:
      path: as in `write_whole`.
      expected: the expected content of the file, in words, for that notice.
    """
    content = read_bytes(path)
    if content is None:
        return None
    try:
        return json.loads(content)
    except ValueError as error:
        notice(f"{path}: the file is damaged ({error}); expected {expected}; it is ignored")
        return None


def read_bytes(path: str | Path) -> bytes | None:
    """Reads the small file at `path`, as in `write_whole`; returns None if there is no file."""
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
    """Has the names in `directory` survive a power failure, where the file system can do that."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def link_or_copy(source: str, target: str) -> None:
    """Gives the directory `target` the files of `source`, as hard links where that is possible.

    Hard links cost no room. Neither directory may be changed in place afterwards: its files would
    change in both. In a bucket, on another disk, or on a file system without hard links the files
    are copied.

    Args:
      source: a directory, or a URL of a file system that TensorFlow knows.
      target: a directory or URL; created if it does not exist. A file that it has is replaced.
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
        with contextlib.suppress(OSError):  # another disk, or a file system without links
            os.link(source, target)
            return
    tf.io.gfile.copy(source, target, overwrite=True)
