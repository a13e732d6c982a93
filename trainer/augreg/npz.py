"""NumPy's `.npz` archives, read with suspicion."""

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from trainer.errors import InputError

# What NumPy and zipfile raise for damaged, encrypted, pickled or absurdly large members.
_UNREADABLE = (
    EOFError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


class CheckpointError(InputError):
    """A file is no AugReg checkpoint. The message is one line and names the file or the array."""


def read_npz(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads every array of an `.npz` file. Pickled objects, which can run code, are refused.

    Raises:
      CheckpointError: the file is missing, no archive, cut short or damaged, or one of its
        members is not a plain array.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; expected an AugReg checkpoint (.npz)")
    if not zipfile.is_zipfile(path):
        raise CheckpointError(
            f"{path}: {_content(path)}, not an .npz archive; download the checkpoint again"
        )
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: _read_array(archive, name) for name in archive.files}
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except _UNREADABLE as error:
        raise CheckpointError(
            f"{path}: unreadable archive ({_one_line(error)}); download the checkpoint again"
        ) from error


def _content(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(2)
    if not start:
        return "an empty file"
    return "the beginning of a longer file" if start == b"PK" else "something else"


def _read_array(archive: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    try:
        array = archive[name]
    except _UNREADABLE as error:
        raise CheckpointError(
            f"array '{name}' is unreadable ({_one_line(error)}); expected plain numbers; "
            "download the checkpoint again"
        ) from error
    if not isinstance(array, np.ndarray):
        raise CheckpointError(f"'{name}' is not an array; expected arrays only; remove it")
    return array


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
