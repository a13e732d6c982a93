"""Notes of images whose files were away while a run read them.

Such an image is in quarantine, and the examples without it are in the cache, under the fingerprint
of a source that has it. The note tells the next run to read it after all. Notes lie below the
pipeline root, where any runner finds them.
"""

import json
from collections.abc import Sequence

from tfx.dsl.io import fileio


def unread_directory(pipeline_root: str) -> str:
    """Where the notes of the pipeline with this root lie."""
    return f"{pipeline_root}/unread"


def note_unread(directory: str, fingerprint: str, file_names: Sequence[str]) -> None:
    """Notes which images could not be read.

    Args:
      directory: of the notes.
      fingerprint: of the source, as the cache has it.
      file_names: of the images.
    """
    fileio.makedirs(directory)
    with fileio.open(_note(directory, fingerprint), "w") as file:
        file.write(json.dumps(list(file_names)))


def read_unread(directory: str, fingerprint: str) -> list[str]:
    """File names of the images that could not be read when a source had this fingerprint."""
    note = _note(directory, fingerprint)
    if not fileio.exists(note):
        return []
    with fileio.open(note) as file:
        return json.loads(file.read())


def _note(directory: str, fingerprint: str) -> str:
    return f"{directory}/{fingerprint}.json"
