"""Notes of images whose files were missing while a run read them.

Such an image is quarantined, but the fingerprint of the source covers it. So without a note, every
later run would take the examples without the image from the cache. With the note, a later run reads
the image again when its file is back. Notes are in the pipeline root, or in `cloud.state_dir`,
where every runner finds them.
"""

import json
from collections.abc import Sequence

from tfx.dsl.io import fileio

from common.files import read_json, write_whole


def unread_directory(state_dir: str) -> str:
    """Returns the directory of the notes. It lies in the state directory of a pipeline."""
    return f"{state_dir}/unread"


def note_unread(directory: str, fingerprint: str, file_names: Sequence[str]) -> None:
    """Writes the note of images that could not be read.

    Args:
      directory: the directory of notes.
      fingerprint: the fingerprint of the source in the cache key.
      file_names: the file names of the images.
    """
    fileio.makedirs(directory)
    write_whole(_note(directory, fingerprint), json.dumps(list(file_names)))


def read_unread(directory: str, fingerprint: str) -> list[str]:
    """Returns the file names of images that a run on a source with this fingerprint could not read.

    Args:
      directory: the directory of notes.
      fingerprint: the fingerprint of the source in the cache key.
    """
    return read_json(_note(directory, fingerprint), "the names of images") or []


def _note(directory: str, fingerprint: str) -> str:
    return f"{directory}/{fingerprint}.json"
