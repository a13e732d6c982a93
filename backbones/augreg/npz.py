"""Reads NumPy's `.npz` archives, which may be damaged or hostile."""

import os
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from common.errors import InputError, one_line

# The largest accepted ratio of unpacked to packed size. Trained weights hardly shrink when they are
# compressed, so an archive that unpacks to more than ten times its size is damaged or hostile.
_LARGEST_RATIO = 10
_SLACK = 100_000_000  # unpacked bytes that are accepted in addition to ten times the archive's size


class CheckpointError(InputError):
    """The error for a file that is not an AugReg checkpoint.

    The message is one line and names the file or the array.
    """


def read_npz(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads every array of an `.npz` file. Pickled objects are refused, because they can run code.

    Raises:
      CheckpointError: the file is missing, truncated, damaged or not a zip archive, or one of its
        members is not a plain array.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; expected an AugReg checkpoint (.npz)")
    if not zipfile.is_zipfile(path):
        raise CheckpointError(
            f"{path}: {_describe_content(path)}, not an .npz archive; download the checkpoint again"
        )
    try:
        with np.load(path, allow_pickle=False) as archive:
            _check_names(archive.files)
            _check_size(path, archive.zip)
            return {name: _read_array(archive, name) for name in archive.files}
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    # If the bytes are hostile, zipfile may raise any exception: see the comment in `_read_array`.
    except Exception as error:
        raise CheckpointError(
            f"{path}: unreadable archive ({one_line(error)}); download the checkpoint again"
        ) from error


def _describe_content(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(2)
    if not start:
        return "an empty file"
    return "a truncated archive" if start == b"PK" else "a file of another format"


def _check_names(names: list[str]) -> None:
    """Refuses two arrays with the same name, because NumPy would read only the last."""
    name, count = max(Counter(names).items(), key=lambda item: item[1], default=("", 0))
    if count > 1:
        raise CheckpointError(
            f"array {name!r} appears {count} times; expected each name once; download the "
            "checkpoint again"
        )


def _check_size(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuses an archive that, by its zip directory, unpacks to much more than its own size."""
    packed, unpacked = path.stat().st_size, sum(member.file_size for member in archive.infolist())
    if unpacked > _LARGEST_RATIO * packed + _SLACK:
        raise CheckpointError(
            f"unpacks from {packed / 1e6:.3g} MB to {unpacked / 1e9:.3g} GB, which is more than "
            "any trained weights do; expected an AugReg checkpoint; download the checkpoint again"
        )


def _read_array(archive: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    try:
        array = archive[name]
    except Exception as error:
        # If the bytes are hostile, zipfile and NumPy raise undocumented exceptions, such as
        # LZMAError from a decompressor, TokenError from NumPy's parser of headers, or
        # OverflowError.
        raise CheckpointError(
            f"array {name!r} is unreadable ({one_line(error)}); expected plain numbers; "
            "download the checkpoint again"
        ) from error
    if not isinstance(array, np.ndarray):
        raise CheckpointError(
            f"{name!r} is not an array; expected an archive of arrays only; remove it"
        )
    return array
