"""Checks, before the training, that the steps of a run can write to their volumes."""

import os
from pathlib import Path

from common.errors import InputError
from pipeline.options.config import Config


def check_volumes(config: Config) -> None:
    """Checks that the steps of the pipeline can write to the state and serving directories.

    One step runs this check for all steps, because all steps run as the same user. The volume of a
    new PersistentVolumeClaim often belongs to root, but the container runs as another user. In
    Kubernetes, the field `fsGroup` of a pod could make the volume writable for the container's
    user, but a compiled pipeline cannot set `fsGroup`.

    Raises:
      InputError: the steps cannot write to a directory.
    """
    for option, place in {
        "cloud.state_dir": config.state_dir,
        "--serving-dir": config.serving_dir,
    }.items():
        if "://" not in place:
            _check_writable(option, Path(place))


def _check_writable(option: str, directory: Path) -> None:
    # This check does not try to write a file, because a model server may watch the serving
    # directory and would find the file.
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
