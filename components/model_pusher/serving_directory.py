"""Reads the state of a serving directory."""

import hashlib
import os

from tfx.dsl.io import fileio

# TensorFlow writes it with every SavedModel; it has a random id, so it identifies an export.
_FINGERPRINT = "fingerprint.pb"


def newest_version(base_directory: str) -> str | None:
    """The directory that TensorFlow Serving serves from `base_directory`: the highest number."""
    if not fileio.isdir(base_directory):
        return None
    names = (name.rstrip("/") for name in fileio.listdir(base_directory))
    versions = [name for name in names if name.isdecimal()]
    return f"{base_directory}/{max(versions, key=int)}" if versions else None


def identity(model: str) -> str:
    """Which export the SavedModel directory `model` holds, and whether all of it is there.

    Two directories have the same identity if they have files of the same names and sizes and the
    same export id; the weights are not read. 64 hex digits.
    """
    files = sorted(
        (f"{parent}/{name}".removeprefix(model), fileio.stat(f"{parent}/{name}").length)
        for parent, _, names in fileio.walk(model)
        for name in names
    )
    digest = hashlib.sha256(repr(files).encode())
    if fileio.exists(f"{model}/{_FINGERPRINT}"):
        with fileio.open(f"{model}/{_FINGERPRINT}", "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def served_state(base_directory: str) -> str | None:
    """Which version `base_directory` serves, and whether something was changed there since.

    A local directory's time of change is part of it: a version that was taken away and put back
    does not give the same text. None where nothing is served.
    """
    version = newest_version(base_directory)
    if version is None:
        return None
    changed = os.stat(base_directory).st_mtime_ns if os.path.isdir(base_directory) else ""
    return f"{version} {identity(version)} {changed}"
