"""Reads the state of a serving directory."""

import hashlib
import os

import tensorflow as tf
from tfx.dsl.io import fileio

from common.file_records import list_files
from components.model_pusher.push_records import read_records
from components.model_pusher.versions import list_versions

# TensorFlow writes `fingerprint.pb` with every SavedModel. The file contains a random id, which
# identifies the export.
_FINGERPRINT = "fingerprint.pb"
# The file of warm-up requests, which a push adds to a model.
WARM_UP = "assets.extra/tf_serving_warmup_requests"


def newest_version(base_directory: str) -> str | None:
    """Returns the directory that servers serve: the complete version with the greatest number."""
    records = read_records(base_directory)
    complete = [
        name
        for version, name in list_versions(base_directory).items()
        if version not in records or records[version].is_complete
    ]
    return f"{base_directory}/{complete[-1]}" if complete else None


def describe_served(base_directory: str) -> str:
    """Returns a clause that says which version is served after a failed change of the directory."""
    try:
        served = newest_version(base_directory)
    except (OSError, tf.errors.OpError):
        served = None
    return f"{served} is still served" if served else "the served version was not changed"


def identity(model: str) -> str:
    """Returns a digest that identifies the export in the SavedModel directory `model`.

    Two directories have the same digest, 64 hex digits, if they have the same export id and files
    of the same names and sizes; a copy with missing files has another digest. The weights are not
    read, and the warm-up requests do not change the digest.
    """
    names = sorted(name for name in list_files(model) if name != WARM_UP)
    files = [(name, fileio.stat(f"{model}/{name}").length) for name in names]
    digest = hashlib.sha256(repr(files).encode())
    if fileio.exists(f"{model}/{_FINGERPRINT}"):
        with fileio.open(f"{model}/{_FINGERPRINT}", "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def served_state(base_directory: str) -> str | None:
    """Returns a text that identifies the served version; None if no version is served.

    On a disk, the text contains the change time (ctime) of the version's directory, which a rename
    updates. The text thus changes even if a version is moved away and back. Files beside the
    versions do not change the text, since Report writes model cards there.
    """
    version = newest_version(base_directory)
    if version is None:
        return None
    changed = os.stat(version).st_ctime_ns if os.path.isdir(version) else ""
    return f"{version} {identity(version)} {changed}"
