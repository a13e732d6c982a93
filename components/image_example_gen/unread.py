"""Notes about images that a run could not read.

A run computes the fingerprint of the source before it reads the images. If an image file disappears
in between, the run quarantines the image, but the fingerprint still includes the image. If the file
exists again in the next run, that run computes the same fingerprint, so TFX would take the examples
of the earlier run, which lack the image, from the cache. To keep TFX from reusing incomplete
examples, a run writes a note with the names of the images that it could not read. If an image that
the note names can be read again, the next run changes the fingerprint, and reads all images of the
source again. The notes are in `cloud.state_dir`, or, if it is not set, in the pipeline root, where
later runs find them with every runner.
"""

import json
from collections.abc import Sequence

from tfx.dsl.io import fileio

from common.files import read_json, write_whole


def unread_directory(state_dir: str) -> str:
    """Returns the directory of the notes about unread images, in a pipeline's state directory."""
    return f"{state_dir}/unread"


def note_unread(directory: str, fingerprint: str, file_names: Sequence[str]) -> None:
    """Writes a note that names the images that a run could not read.

    Args:
      directory: the directory of the notes.
      fingerprint: the fingerprint of the source, which is a part of the cache key.
      file_names: the file names of the images.
    """
    fileio.makedirs(directory)
    write_whole(_note(directory, fingerprint), json.dumps(list(file_names)))


def read_unread(directory: str, fingerprint: str) -> list[str]:
    """Returns the file names of the images that a run with this fingerprint could not read.

    Args:
      directory: the directory of the notes.
      fingerprint: the fingerprint of the source, which is a part of the cache key.
    """
    return read_json(_note(directory, fingerprint), "the names of images") or []


def _note(directory: str, fingerprint: str) -> str:
    return f"{directory}/{fingerprint}.json"
