"""Reads the state of a serving directory."""

import hashlib
import os

import tensorflow as tf
from tfx.dsl.io import fileio

from common.file_records import list_files
from components.model_pusher.push_records import read_records
from components.model_pusher.versions import list_versions

# TensorFlow writes it with every SavedModel; it has a random id, so it identifies an export.
_FINGERPRINT = "fingerprint.pb"
WARM_UP = "assets.extra/tf_serving_warmup_requests"  # of a version; a push adds it to the model


def newest_version(base_directory: str) -> str | None:
    """The directory that TensorFlow Serving serves: the greatest number of a complete version."""
    records = read_records(base_directory)
    complete = [
        name
        for version, name in list_versions(base_directory).items()
        if version not in records or records[version].is_complete
    ]
    return f"{base_directory}/{complete[-1]}" if complete else None


def describe_served(base_directory: str) -> str:
    """Returns, in words, which version is served after a change that failed."""
    try:
        served = newest_version(base_directory)
    except (OSError, tf.errors.OpError):
        served = None
    return f"{served} is still served" if served else "what is served was not changed"


def identity(model: str) -> str:
    """Identifies the export in the SavedModel directory `model`, and whether it is complete.

    Two directories have the same identity if they have files of the same names and sizes and the
    same export id; the weights are not read, and the warm-up requests do not count. 64 hex digits.
    """
    names = sorted(name for name in list_files(model) if name != WARM_UP)
    files = [(name, fileio.stat(f"{model}/{name}").length) for name in names]
    digest = hashlib.sha256(repr(files).encode())
    if fileio.exists(f"{model}/{_FINGERPRINT}"):
        with fileio.open(f"{model}/{_FINGERPRINT}", "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def served_state(base_directory: str) -> str | None:
    """Which version `base_directory` serves, and whether it was moved there since.

    On a disk, the time of change of the version's directory is part of it, which a rename sets: a
    version that was taken away and put back does not give the same text. Files beside the versions
    do not matter: Report writes model cards there. None where nothing is served.
    """
    version = newest_version(base_directory)
    if version is None:
        return None
    changed = os.stat(version).st_ctime_ns if os.path.isdir(version) else ""
    return f"{version} {identity(version)} {changed}"
