"""Checks, before the training, that the steps of a run can write to their volumes."""

import os
from pathlib import Path

from common.errors import InputError
from pipeline.options.config import Config


def check_volumes(config: Config) -> None:
    """Refuses a directory to which this step cannot write.

    All steps run as the same user, so the other steps could not write to the directory either.
    The volume of a new claim often belongs to root, but the image runs as another user. Kubernetes'
    `fsGroup` could change the owner of the volume, but a compiled pipeline has no such field.

    Raises:
      InputError: a directory cannot be written.
    """
    for option, place in {
        "cloud.state_dir": config.state_dir,
        "--serving-dir": config.serving_dir,
    }.items():
        if "://" not in place:
            _check_writable(option, Path(place))


def _check_writable(option: str, directory: Path) -> None:
    # The check writes no file, because a server may watch the serving directory.
    existing = next(p for p in (directory, *directory.parents) if os.path.lexists(p))
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return
    found = existing.stat()
    raise InputError(
        f"{option} {directory}: permission denied: {existing} belongs to user {found.st_uid} (mode "
        f"{found.st_mode & 0o7777:o}) and the steps run as user {os.geteuid()}; expected a volume "
        f"that this user can write to: run `chown -R {os.geteuid()}` on it once, as "
        "docs/kubeflow.md "
        "shows"
    )
