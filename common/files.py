"""Small files that outlive a run: records, names, notes. Imports no TensorFlow until a bucket is
named."""

import errno
import os
import uuid
from pathlib import Path

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
    target = Path(path)
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
    _flush_directory(target.parent)


def read_or_write(path: str | Path, text: str) -> str:
    """The text of the small file at `path`, which is `text` where there was none before.

    A file that is empty, or holds what is no text, as a crash or a full disk leaves it, is written
    anew, and a line says so.

    Args:
      path: as in `write_whole`.
      text: what the file should say if nobody wrote it before.
    """
    content = _read(path)
    if content is not None:
        try:
            found = content.decode()
        except UnicodeDecodeError:
            found = ""
        if found.strip("\0 \n"):
            return found
        notice(f"{path}: is damaged, or empty; it is written anew, and says {text} from now on")
    write_whole(path, text)
    return text


def _read(path: str | Path) -> bytes | None:
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


def _flush_directory(directory: Path) -> None:
    """Has the names in `directory` survive a power failure, where the file system can do that."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
