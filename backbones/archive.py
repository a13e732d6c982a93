"""Unpacks the tar archive of a SavedModel.

A SavedModel consists of regular files and folders. A tar archive can also contain links, devices,
and paths that lead out of the target directory. The extraction filter of Python's `tarfile` is not
enough protection: in some patch releases of Python, a chain of links passes the filter, and files
are written outside the target directory (CVE-2025-4517). This module therefore checks the whole
archive before it writes the first file. The module refuses an archive with a path out of the target
directory, or with a member that is neither a file nor a folder, such as a link.
"""

import bz2
import errno
import gzip
import lzma
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from common.errors import InputError, one_line
from common.saved_model import GRAPH_FILE

_UNREADABLE = (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError, ValueError)
# Maps the first bytes of a compressed file to a function that decompresses the file.
_COMPRESSIONS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}
_MOST_MEMBERS = 100_000  # largest number of files and folders in an archive; models have far fewer
# The largest number of bytes that `tarfile` may read at once. The content of files is read in
# pieces of at most 1 MiB, so only an unusual header can make `tarfile` read more than 1 MiB at
# once.
_LONGEST_READ = 1 << 20


def is_saved_model(directory: Path) -> bool:
    """Whether `directory` contains `saved_model.pb`, which `tf.saved_model.save` writes."""
    return (directory / GRAPH_FILE).is_file()


def unpack(
    archive: Path, directory: Path, *, max_bytes: int, check: Callable[[Path], object]
) -> None:
    """Unpacks a SavedModel that is at the root of a tar archive, or in a folder at the root.

    Args:
      archive: a tar file, compressed or not.
      directory: the target, which does not exist or is empty. If unpacking or `check` fails,
        nothing is written to `directory`.
      max_bytes: the largest total size of the unpacked files.
      check: this function is called with the path of the unpacked SavedModel, before the SavedModel
        is moved to `directory`, and raises InputError to refuse the SavedModel.

    Raises:
      InputError: the file is not a tar archive, contains something other than files and folders,
        unpacks to more than `max_bytes`, or contains no SavedModel that passes `check`. The message
        does not contain the path of the archive, which the caller must add.
      OSError: the files cannot be written.
    """
    with _open_tar(archive) as tar:
        size = sum(member.size for member in _members(tar, max_bytes))
    free = shutil.disk_usage(directory.parent).free
    if size > free:
        raise InputError(
            f"an archive that needs {_gigabytes(size)} on the disk, but {directory.parent} has "
            f"only {_gigabytes(free)} free"
        )
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}.", dir=directory.parent) as staging:
        # Unpack the model into a subfolder of the temporary directory, and not into the temporary
        # directory itself: only the owner has access to a temporary directory, and `os.rename`
        # would keep this restriction.
        content = Path(staging, "content")
        content.mkdir()
        with _open_tar(archive) as tar:
            for member in _members(tar, max_bytes):
                _write(tar, member, content)
        model = _saved_model_in(content)
        try:
            check(model)
        except InputError as error:
            reason = str(error).replace(f"{model}/", "").removeprefix(f"{model}: ")
            raise InputError(f"an archive with an unusable SavedModel ({reason})") from error
        os.rename(model, directory)


class _Unpacked:
    """A file that decompresses an archive, and limits how much `tarfile` may read at once.

    `tarfile` reads an extended header into memory as a whole, and a header with terabytes of zeros
    compresses to a small archive; the limit is 1 MiB. Negative sizes and positions are refused,
    because a negative size in a header makes `tarfile` loop for ever (CVE-2025-8194).
    """

    def __init__(self, file: Any) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Reads `size` bytes; refuses more than 1 MiB, and -1, which means all remaining bytes."""
        if not 0 <= size <= _LONGEST_READ:
            raise InputError("an archive with a header of more than 1 MiB")
        try:
            return cast(bytes, self._file.read(size))
        except _UNREADABLE as error:
            raise InputError(f"an unreadable archive ({one_line(error)})") from error

    def seek(self, position: int) -> int:
        """Moves to a position in the decompressed bytes; refuses a negative position."""
        if position < 0:
            raise InputError("an archive with a negative size")
        try:
            return cast(int, self._file.seek(position))
        except _UNREADABLE as error:
            raise InputError(f"an unreadable archive ({one_line(error)})") from error

    def tell(self) -> int:
        """Returns the current position."""
        return cast(int, self._file.tell())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


@contextmanager
def _open_tar(archive: Path) -> Iterator[tarfile.TarFile]:
    """Opens the archive as a TarFile; raises InputError if it is damaged or not a tar."""
    with archive.open("rb") as packed:
        start = packed.read(512)
        packed.seek(0)
        decompress = next(
            (d for magic, d in _COMPRESSIONS.items() if start.startswith(magic)), None
        )
        file = _Unpacked(decompress(packed) if decompress else packed)
        try:
            with tarfile.open(fileobj=cast(Any, file), mode="r:") as tar:
                yield tar
        except tarfile.ReadError as error:
            raise InputError(f"{_content(start)}, not a tar archive ({one_line(error)})") from error
        except (tarfile.TarError, ValueError) as error:
            raise InputError(f"an unreadable archive ({one_line(error)})") from error


def _members(tar: tarfile.TarFile, max_bytes: int) -> Iterator[tarfile.TarInfo]:
    """Checks and yields each file and folder of an archive.

    Raises:
      InputError: a member is neither a file nor a folder, or its path leads out of the target
        directory; or the archive has too many members, or unpacks to more than `max_bytes`.
    """
    size = 0
    for number, member in enumerate(tar):
        is_file = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and member.sparse is None
        if not is_file and not member.isdir():
            kind = _KINDS.get(member.type, "a member of an unusual kind")
            target = f" to {member.linkname}" if member.linkname else ""
            raise InputError(
                f"an archive with {kind} ({member.name}{target}); expected regular files and "
                "folders, because a SavedModel consists only of these"
            )
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or "\0" in member.name:
            raise InputError(
                f"an archive with a path outside its directory ({member.name}); expected relative "
                "paths without .."
            )
        if member.size < 0:
            raise InputError(f"an archive with a negative size ({member.name})")
        size += member.size
        if size > max_bytes:
            raise InputError(
                f"an archive that unpacks to more than {_gigabytes(max_bytes)}; if you trust this "
                "archive, set VIT_MAX_MODEL_GB to a larger number"
            )
        if number == _MOST_MEMBERS:
            raise InputError(f"an archive with more than {_MOST_MEMBERS} members")
        yield member


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, directory: Path) -> None:
    """Unpacks an archive member into `directory`, with default access rights."""
    path = directory / member.name
    try:
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        target = path.open("xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"an archive that contains {member.name} twice") from error
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise InputError("an archive with a name that is too long for a file") from error
    source = tar.extractfile(member)
    assert source is not None, "a regular file has content"
    with source, target:
        shutil.copyfileobj(source, target, _LONGEST_READ)


def _saved_model_in(content: Path) -> Path:
    for candidate in (content, *sorted(content.iterdir())):
        if is_saved_model(candidate):
            return candidate
    raise InputError("an archive without a SavedModel (there is no saved_model.pb in it)")


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.3g} GB"


def _content(start: bytes) -> str:
    if not start:
        return "an empty file"
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "a web page"
    return "a damaged file"
