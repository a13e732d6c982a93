"""Checks the digests of downloaded models (trust on first use).

This module does not import TensorFlow, which takes seconds to import.

The SHA-256 of the first download of a model is stored next to the model, in `<name>.sha256`.
Before the pipeline uses a downloaded model, or when it downloads the model again, it compares the
model's digest with the digest of the first download. A model that the user put into the cache has
no stored digest, and is checked only if it is a checkpoint whose digest is in the catalogue.
"""

import hashlib
import re
from pathlib import Path

from common.content_index import hash_file
from common.errors import InputError
from common.files import write_whole
from common.text import escape_controls

_EXPORT_ID = "fingerprint.pb"


def digest_file(target: Path) -> Path:
    """Returns the path of the file that contains the digest of `target`."""
    return target.with_name(f"{target.name}.sha256")


def remembered_digest(target: Path) -> str | None:
    """Returns the digest of the first download to `target`; None if `target` was not downloaded.

    Raises:
      InputError: the file that contains the digest is damaged.
    """
    file = digest_file(target)
    try:
        text = file.read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return None
    digest = text.partition(" ")[0]
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise InputError(
            f"{file}: is damaged; expected the SHA-256 of {target.name}; remove this file to trust "
            "the model as it is now"
        )
    return digest


def remember_digest(target: Path, digest: str) -> None:
    """Writes the digest of `target` to its digest file, in the format of `sha256sum`."""
    write_whole(digest_file(target), f"{digest}  {escape_controls(target.name)}\n")


def digest_of(target: Path) -> str:
    """Returns the SHA-256 of a file or a directory, as 64 hex digits.

    The digest of a directory is the SHA-256 of a list of its files. The list has the format of
    `sha256sum`, with relative paths in alphabetical order. The list of files leaves out
    `fingerprint.pb`, because TensorFlow writes a random id into this file. This function does not
    use the pipeline's fingerprints: a stored digest must stay valid for years, but the definition
    of a fingerprint may change.
    """
    if target.is_dir():
        files = (path for path in target.rglob("*") if path.is_file() and path.name != _EXPORT_ID)
        names = {path.relative_to(target).as_posix(): path for path in files}
        lines = (f"{digest_of(path)}  {name}\n" for name, path in sorted(names.items()))
        return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()
    return hash_file(target)


def check_kept_model(directory: Path) -> None:
    """Refuses a SavedModel that has changed since it was downloaded.

    Raises:
      InputError: the SavedModel no longer has the digest of the download.
    """
    expected = remembered_digest(directory)
    if expected is None:
        return
    found = digest_of(directory)
    if found != expected:
        raise InputError(
            f"{directory}: has changed since it was downloaded: its SHA-256 is {found}; expected "
            f"{expected}; remove it to download the model again, or remove "
            f"{digest_file(directory)} to use the changed model"
        )


def check_download(target: Path, found: str, *, pinned: str | None = None) -> None:
    """Refuses a download that does not have the expected digest.

    The catalogue states the expected digests of some models. If the catalogue has no digest of a
    model, the first download is accepted unchecked, and all later downloads must have the same
    digest as the first.

    Args:
      target: the path of the downloaded file.
      found: the digest of the download.
      pinned: the digest in the catalogue, if there is one.

    Raises:
      InputError: the download does not have the expected digest. The message names neither the URL
        nor the path of the file, so the caller must add one of them.
    """
    expected = pinned or remembered_digest(target)
    if expected in (None, found):
        return
    way_out = (
        "the catalogue has the expected digest: do not use this file"
        if pinned
        else f"the first download had the expected digest; if you trust the new file, remove "
        f"{digest_file(target)}"
    )
    raise InputError(f"its SHA-256 is {found}; expected {expected}; {way_out}")
