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
from backbones.publishers import make_file_name
from common.errors import InputError


def fetch_saved_model(
    url: str, directory: Path, cache: Path, *, name: str, admission: Admission
) -> None:
    """Downloads and unpacks a SavedModel.

    Args:
      url: the URL of a tar archive.
      directory: the target, whose lock (`common.lock.hold_lock`) the caller must hold. The
        directory is created only if the SavedModel is complete and passes all checks.
      cache: the cache directory. If the download breaks off, the received bytes stay in the cache
        directory, so that a later download can resume.
      name: the name of the model in progress displays.
      admission: the limits for the SavedModel.

    Raises:
      DownloadError: the archive cannot be downloaded, or holds no usable SavedModel; the message
        begins with the URL.
    """

    def check(model: Path) -> None:
        # Import `backbones.admission` only here, because it imports TensorFlow, which takes
        # seconds.
        from backbones.admission import check_backbone

        found = digest_of(model)
        # Check the digest before `check_backbone` loads the model, because loading runs a part of
        # the graph.
        check_download(directory, found)
        check_backbone(model, trusted=admission.trusted)
        remember_digest(directory, found)

    archive = cache / "downloaded" / f"{make_file_name(url)}.archive"
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
    """Converts an AugReg checkpoint; downloads it first if the cache has no usable copy.

    Args:
      url: the URL of an `.npz` file.
      checkpoint: the path of the file in the cache.
      cache: the cache directory, in which the SavedModel is written.
      name: the name of the model in progress displays.
      task: "fe" for a feature extractor, "classification" for a classifier.
      precision: the precision of matrix products.
      expected: the required architecture, with its head; if None, any architecture is accepted.
      sha256: the required digest, or None to require the digest of the first download.

    Returns:
      The SavedModel directory.

    Raises:
      DownloadError: the file cannot be downloaded, or is not the required checkpoint; the message
        begins with the URL.
      InputError: the checkpoint is valid, but has no head although `task` is "classification".
    """
    from backbones.augreg.npz import CheckpointError  # imported only here because it loads NumPy

    conversion: dict[str, Any] = {"task": task, "precision": precision, "expected": expected}
    refusal = ""
    if checkpoint.is_file():
        try:
            return convert_downloaded(checkpoint, cache, sha256=sha256, **conversion)
        except CheckpointError as error:
            refusal = f"; {error}"
    try:
        download(url, checkpoint, name=name)
    except DownloadError as error:
        raise DownloadError(f"{error}{refusal}") from error
    try:
        _check_digest(checkpoint, sha256)
        directory = convert_checkpoint(checkpoint, cache, **conversion)
    except CheckpointError as error:
        checkpoint.unlink(missing_ok=True)
        reason = str(error).removeprefix(f"{checkpoint}: ")
        why = f"the server sent another file than the expected checkpoint ({reason})"
        raise DownloadError(f"{url}: {why}") from error
    except InputError:  # the checkpoint is valid, but has no head
        remember_digest(checkpoint, digest_of(checkpoint))
        raise
    remember_digest(checkpoint, digest_of(checkpoint))
    return directory


def convert_downloaded(
    checkpoint: Path, cache: Path, *, sha256: str | None = None, **conversion: Any
) -> Path:
    """Converts a checkpoint in the cache; renames the file to `….unfit` if it is not usable.

    An unusable checkpoint is renamed rather than deleted, because the user may have put it into the
    cache.

    Args:
      checkpoint: an `.npz` file.
      cache: the cache directory, in which the SavedModel is written.
      sha256: the required digest, or None to require the digest of the first download.
      **conversion: the keyword arguments of `convert_checkpoint`.

    Raises:
      CheckpointError: the file is not a usable checkpoint, and has been renamed.
      InputError: the file cannot be read, or has no head although the task is "classification".
    """
    from backbones.augreg.npz import CheckpointError  # imported only here because it loads NumPy

    status = checkpoint.stat()
    try:
        _check_digest(checkpoint, sha256)
        return convert_checkpoint(checkpoint, cache, **conversion)
    except CheckpointError as error:
        names = (f"{checkpoint.name}.unfit{n or ''}" for n in itertools.count())
        aside = next(p for p in map(checkpoint.with_name, names) if not p.exists())
        # Rename the file only if it is still the file that was read: another process may have
        # replaced it with a usable checkpoint.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(checkpoint.stat(), status):
                checkpoint.rename(aside)
        raise CheckpointError(f"{error}; the file was renamed to {aside.name}") from error


def _check_digest(checkpoint: Path, pinned: str | None) -> None:
    from backbones.augreg.npz import CheckpointError  # imported only here because it loads NumPy

    try:
        check_download(checkpoint, digest_of(checkpoint), pinned=pinned)
    except InputError as error:
        raise CheckpointError(f"{checkpoint}: {error}") from error
