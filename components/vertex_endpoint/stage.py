"""Copies a pushed version into the directory layout that Vertex AI's containers need.

TensorFlow Serving loads a version only from a numbered directory. For each version, the model
registry contains the URI of a directory, and Vertex AI gives the container a copy of this
directory. The directory must contain only one numbered directory, because if there were several,
TensorFlow Serving would serve the version with the highest number.
"""

import os
import posixpath

from tfx.dsl.io import fileio

from common.errors import InputError
from common.file_records import list_graph_last

_FOLDER = ".vertex"  # TensorFlow Serving ignores this folder, whose name is not a number
_SCHEME = "gs://"


def stage_version(version: str) -> str:
    """Copies a version to a directory that contains no other version.

    Also deletes copies that earlier calls made, if their versions are no longer in the serving
    directory.

    Args:
      version: the directory of a pushed version, in a bucket.

    Returns:
      The directory `<serving directory>/.vertex/<number>`, which contains only the copy, in a
      subdirectory with the same number.

    Raises:
      InputError: the version is not in a bucket.
    """
    if not version.startswith(_SCHEME):
        raise InputError(
            f"{version}: Vertex AI reads models from a bucket; give --pipeline-root or "
            "--serving-dir gs://BUCKET/PATH"
        )
    serving, number = posixpath.split(version)
    staged = f"{serving}/{_FOLDER}/{number}"
    _remove_old(serving)
    # saved_model.pb is copied last, so a copy that has this file is complete.
    for name in list_graph_last(version):
        target = f"{staged}/{number}/{name}"
        fileio.makedirs(os.path.dirname(target))
        fileio.copy(f"{version}/{name}", target, overwrite=True)
    return staged


def _remove_old(serving: str) -> None:
    folder = f"{serving}/{_FOLDER}"
    names = fileio.listdir(folder) if fileio.isdir(folder) else []
    for name in (name.rstrip("/") for name in names):
        if not fileio.isdir(f"{serving}/{name}"):
            fileio.rmtree(f"{folder}/{name}")
