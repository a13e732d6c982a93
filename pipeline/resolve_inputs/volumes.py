"""Checks that the steps of a run can write to their volumes, before hours of training."""

import os
import uuid
from pathlib import Path

from common.errors import InputError
from pipeline.options.config import Config


def check_volumes(config: Config) -> None:
    """Refuses directories in volumes that this process, and so every other step, cannot write to.

    A new claim often belongs to root, and the image runs as another user. Kubernetes would give the
    volume to the user by `fsGroup`, for which the compiled pipeline has no field.

    Raises:
      InputError: there is such a directory.
    """
    for option, place in {
        "cloud.state_dir": config.state_dir,
        "--serving-dir": config.serving_dir,
    }.items():
        if "://" not in place:
            _check_writable(option, Path(place))


def _check_writable(option: str, directory: Path) -> None:
    file = directory / f".{uuid.uuid4().hex[:8]}.new"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file.touch(exist_ok=False)
        file.unlink()
    except OSError as error:
        existing = next(p for p in (directory, *directory.parents) if os.path.lexists(p))
        found = existing.stat()
        raise InputError(
            f"{option} {directory}: {error.strerror}: {existing} belongs to user {found.st_uid} "
            f"(mode {found.st_mode & 0o7777:o}) and the steps run as user {os.geteuid()}; expected "
            f"a volume that they can write to: run `chown -R {os.geteuid()}` on it once, as "
            "docs/kubeflow.md shows"
        ) from error
