"""NumPy's `.npz` archives, read with suspicion."""

import os
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from common.errors import InputError, one_line


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
            _check_names(archive.files)
            return {name: _read_array(archive, name) for name in archive.files}
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except Exception as error:  # as in `_read_array`
        raise CheckpointError(
            f"{path}: unreadable archive ({one_line(error)}); download the checkpoint again"
        ) from error


def _content(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(2)
    if not start:
        return "an empty file"
    return "the beginning of a longer file" if start == b"PK" else "something else"


def _check_names(names: list[str]) -> None:
    """Refuses two arrays of one name, of which NumPy would read the last."""
    name, count = max(Counter(names).items(), key=lambda item: item[1], default=("", 0))
    if count > 1:
        raise CheckpointError(
            f"array {name!r} is there {count} times; expected one of each name; download the "
            "checkpoint again"
        )


def _read_array(archive: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    try:
        array = archive[name]
    except Exception as error:
        # Hostile bytes have zipfile, its decompressors, NumPy and the tokenizer that NumPy reads
        # headers with raise what none of them documents: OverflowError, TokenError, LZMAError, …
        raise CheckpointError(
            f"array {name!r} is unreadable ({one_line(error)}); expected plain numbers; "
            "download the checkpoint again"
        ) from error
    if not isinstance(array, np.ndarray):
        raise CheckpointError(f"{name!r} is not an array; expected arrays only; remove it")
    return array
