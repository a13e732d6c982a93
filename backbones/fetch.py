"""Downloads SavedModels and checkpoints to the cache."""

import contextlib
import itertools
import os
from pathlib import Path
from typing import Any

from backbones.archive import unpack
from backbones.augreg.architecture import Architecture, Precision, Task
from backbones.conversion import convert_checkpoint
from backbones.digests import check_download, digest_of, remember_digest
from backbones.download import DownloadError, download
from backbones.limits import Admission
from backbones.publishers import slug
from common.errors import InputError


def fetch_saved_model(
    url: str, directory: Path, cache: Path, *, name: str, admission: Admission
) -> None:
    """Downloads and unpacks a SavedModel.

    Args:
      url: the URL of a tar archive.
      directory: appears complete and checked, or not at all; the caller holds its lock.
      cache: keeps what has come of the archive, should it be cut off.
      name: what to call it for a person.
      admission: what it may be.

    Raises:
      DownloadError: it cannot be had, or is no SavedModel that can be used; the message begins with
        the URL.
    """

    def check(model: Path) -> None:
        from backbones.admission import check_backbone  # imports TensorFlow, which takes seconds

        found = digest_of(model)
        check_download(directory, found)  # first, since to load a SavedModel is to run it
        check_backbone(model, trusted=admission.trusted)
        remember_digest(directory, found)

    archive = cache / "downloaded" / f"{slug(url)}.archive"
    download(url, archive, name=name)
    try:
        unpack(archive, directory, max_bytes=admission.max_bytes, check=check)
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
    sha256: str | None = None,
) -> Path:
    """Downloads an AugReg checkpoint, unless it is there and fit, and converts it.

    Args:
      url: the URL of an `.npz` file.
      checkpoint: the path of the file in the cache.
      cache: below which the SavedModel is put.
      name: what to call it for a person.
      task: "fe" for a feature extractor, "classification" for a classifier.
      precision: the precision of matrix products.
      expected: the architecture that it must have, its head included; None is any.
      sha256: the digest that it must have; None is that of the first download.

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
            return convert_downloaded(checkpoint, cache, sha256=sha256, **conversion)
        except CheckpointError as error:
            unfit = f"; {error}"
    try:
        download(url, checkpoint, name=name)
    except DownloadError as error:
        raise DownloadError(f"{error}{unfit}") from error
    try:
        _check_digest(checkpoint, sha256)
        directory = convert_checkpoint(checkpoint, cache, **conversion)
    except CheckpointError as error:
        checkpoint.unlink(missing_ok=True)
        reason = str(error).removeprefix(f"{checkpoint}: ")
        why = f"the server sent another file than this checkpoint ({reason})"
        raise DownloadError(f"{url}: {why}") from error
    except InputError:  # it is a checkpoint all the same
        remember_digest(checkpoint, digest_of(checkpoint))
        raise
    remember_digest(checkpoint, digest_of(checkpoint))
    return directory


def convert_downloaded(
    checkpoint: Path, cache: Path, *, sha256: str | None = None, **conversion: Any
) -> Path:
    """Converts a checkpoint that is kept in the cache, and gets one that is unfit out of the way.

    It may have been put there by hand: it is renamed, to `….unfit`, and not removed.

    Args:
      checkpoint: an `.npz` file.
      cache: below which the SavedModel is put.
      sha256: the digest that it must have; None is that of the first download.
      **conversion: what to make of it, as `convert_checkpoint` takes it.

    Raises:
      CheckpointError: it was unfit.
      InputError: it cannot be read, or is none to make this of.
    """
    from backbones.augreg.npz import CheckpointError  # imports NumPy

    seen = checkpoint.stat()
    try:
        _check_digest(checkpoint, sha256)
        return convert_checkpoint(checkpoint, cache, **conversion)
    except CheckpointError as error:
        names = (f"{checkpoint.name}.unfit{n or ''}" for n in itertools.count())
        aside = next(p for p in map(checkpoint.with_name, names) if not p.exists())
        # Another process may have renamed it, and downloaded a usable checkpoint.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(checkpoint.stat(), seen):
                checkpoint.rename(aside)
        raise CheckpointError(f"{error}; it is renamed to {aside.name}") from error


def _check_digest(checkpoint: Path, pinned: str | None) -> None:
    from backbones.augreg.npz import CheckpointError  # imports NumPy

    try:
        check_download(checkpoint, digest_of(checkpoint), pinned=pinned)
    except InputError as error:
        raise CheckpointError(f"{checkpoint}: {error}") from error
