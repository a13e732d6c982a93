"""What a serving directory holds now."""

import hashlib

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


def served_identity(base_directory: str) -> str:
    """Identity of the version served from `base_directory`; empty where there is none.

    As an execution property it has the Pusher look again when its model has vanished.
    """
    version = newest_version(base_directory)
    return f"{version} {identity(version)}" if version else ""
