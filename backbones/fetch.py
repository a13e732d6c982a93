"""SavedModels and checkpoints from elsewhere -> the cache."""

import contextlib
import itertools
import os
from pathlib import Path
from typing import Any

from backbones.archive import unpack
from backbones.augreg.architecture import Architecture, Precision, Task
from backbones.conversion import convert_checkpoint
from backbones.download import DownloadError, download
from backbones.publishers import slug
from common.errors import InputError


def fetch_saved_model(url: str, directory: Path, cache: Path, *, name: str) -> None:
    """Downloads and unpacks a SavedModel.

    Args:
      url: of a tar archive.
      directory: appears complete and checked, or not at all; the caller holds its lock.
      cache: keeps what has come of the archive, should it be cut off.
      name: what to call it for a person.

    Raises:
      DownloadError: it cannot be had, or is no SavedModel that can be used; the message begins with
        the URL.
    """
    archive = cache / "downloaded" / f"{slug(url)}.archive"
    download(url, archive, name=name)
    try:
        unpack(archive, directory)
    except InputError as error:
        raise DownloadError(f"{url}: the server sent {error}") from error
    finally:
        archive.unlink(missing_ok=True)


def fetch_checkpoint(
    url: str,
    checkpoint: Path,
    cache: Path,
    *,
    name: str,
    task: Task = "fe",
    precision: Precision = "float32",
    expected: Architecture | None = None,
) -> Path:
    """Downloads an AugReg checkpoint, unless it is there and fit, and converts it.

    Args:
      url: of an `.npz` file.
      checkpoint: where the file is kept, unless it is unfit.
      cache: below which the SavedModel is put.
      name: what to call it for a person.
      task: what to make of it.
      precision: of its matrix products.
      expected: the architecture that it must have, its head included; None is any.

    Returns:
      The SavedModel directory.

    Raises:
      DownloadError: it cannot be had, or is no such checkpoint; the message begins with the URL.
      InputError: it is a checkpoint, but none to make this of.
    """
    from backbones.augreg.npz import CheckpointError  # imports NumPy

    conversion: dict[str, Any] = {"task": task, "precision": precision, "expected": expected}
    unfit = ""
    if checkpoint.is_file():
        try:
            return convert_downloaded(checkpoint, cache, **conversion)
        except CheckpointError as error:
            unfit = f"; {error}"
    try:
        download(url, checkpoint, name=name)
    except DownloadError as error:
        raise DownloadError(f"{error}{unfit}") from error
    try:
        return convert_checkpoint(checkpoint, cache, **conversion)
    except CheckpointError as error:
        checkpoint.unlink(missing_ok=True)
        reason = str(error).removeprefix(f"{checkpoint}: ")
        why = f"the server sent another file than this checkpoint ({reason})"
        raise DownloadError(f"{url}: {why}") from error


def convert_downloaded(checkpoint: Path, cache: Path, **conversion: Any) -> Path:
    """Converts a checkpoint that is kept in the cache, and gets one that is unfit out of the way.

    It may have been put there by hand: it is renamed, to `….unfit`, and not removed.

    Args:
      checkpoint: an `.npz` file.
      cache: below which the SavedModel is put.
      **conversion: what to make of it, as `convert_checkpoint` takes it.

    Raises:
      CheckpointError: it was unfit.
      InputError: it cannot be read, or is none to make this of.
    """
    from backbones.augreg.npz import CheckpointError  # imports NumPy

    seen = checkpoint.stat()
    try:
        return convert_checkpoint(checkpoint, cache, **conversion)
    except CheckpointError as error:
        names = (f"{checkpoint.name}.unfit{n or ''}" for n in itertools.count())
        aside = next(p for p in map(checkpoint.with_name, names) if not p.exists())
        # Another process may have done it, and downloaded a better one.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(checkpoint.stat(), seen):
                checkpoint.rename(aside)
        raise CheckpointError(f"{error}; it is renamed to {aside.name}") from error
