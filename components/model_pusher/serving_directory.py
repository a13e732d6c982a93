"""Finds out which version and which model a serving directory serves."""

import hashlib
import os

import tensorflow as tf
from tfx.dsl.io import fileio

from common.file_records import list_files
from components.model_pusher.push_records import read_records
from components.model_pusher.versions import list_versions

# TensorFlow writes `fingerprint.pb` with every SavedModel. `fingerprint.pb` contains a random id
# that identifies the exported model.
_FINGERPRINT = "fingerprint.pb"
# A push adds warm-up requests to the pushed copy of a model, in the file `WARM_UP`.
WARM_UP = "assets.extra/tf_serving_warmup_requests"


def newest_version(base_directory: str) -> str | None:
    """Returns the directory of the served version, which is the complete version with the greatest
    number.
    """
    records = read_records(base_directory)
    complete = [
        name
        for version, name in list_versions(base_directory).items()
        if version not in records or records[version].is_complete
    ]
    return f"{base_directory}/{complete[-1]}" if complete else None


def describe_served(base_directory: str) -> str:
    """Describes the served version, for an error message about a failed push or rollback."""
    try:
        served = newest_version(base_directory)
    except (OSError, tf.errors.OpError):
        served = None
    return f"{served} is still served" if served else "the served version was not changed"


def identity(model: str) -> str:
    """Returns a digest of the SavedModel in the directory `model`, 64 hex digits.

    The digest is computed from the random id in `fingerprint.pb` and from the names and sizes of
    the files, so that the large files of weights need not be read. If some files of a copy are
    missing, the digest of the copy differs from that of the model. The digest leaves out the file
    with the warm-up requests, so that a pushed copy, which contains this file, has the same digest
    as the exported model.
    """
    names = sorted(name for name in list_files(model) if name != WARM_UP)
    files = [(name, fileio.stat(f"{model}/{name}").length) for name in names]
    digest = hashlib.sha256(repr(files).encode())
    if fileio.exists(f"{model}/{_FINGERPRINT}"):
        with fileio.open(f"{model}/{_FINGERPRINT}", "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def served_state(base_directory: str) -> str | None:
    """Returns a string that identifies the served version; None if no version is served.

    If the serving directory is on a disk, not in a bucket, the string contains the change time
    (ctime) of the version's directory. Moving a directory updates its change time, so the returned
    string changes even if somebody moves the version's directory away and later moves it back.
    Files outside the version's directory do not affect the returned string, because Report writes
    model cards to the serving directory after the push.
    """
    version = newest_version(base_directory)
    if version is None:
        return None
    changed = os.stat(version).st_ctime_ns if os.path.isdir(version) else ""
    return f"{version} {identity(version)} {changed}"
