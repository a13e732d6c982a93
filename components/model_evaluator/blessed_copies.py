"""Keeps copies of blessed models. Each copy is in a directory whose name is a hash of the model's
files.
"""

import shutil
import uuid
from pathlib import Path

import tensorflow as tf

from common.file_records import FileRecord, find_damage, hash_records, record_files
from common.files import link_or_copy


def keep_copy(folder: str, model: str) -> tuple[str, dict[str, FileRecord]]:
    """Copies the Model artifact at the URI `model` to a directory whose name is a hash of the
    artifact's files.

    If an undamaged copy already exists, the function does not write it again. If the file system
    has hard links, the copy consists of hard links to the artifact's files, and takes no additional
    disk space.

    Args:
      folder: the folder of all copies, to which no other process may write during the call.
      model: the URI of the Model artifact.

    Returns:
      The URI of the copy, and the `FileRecord` of each file in it, by relative path.
    """
    contents = record_files(model)
    target = f"{folder}/{hash_records(contents)}"
    if not tf.io.gfile.exists(target) or find_damage(target, contents):
        if "://" in folder:
            # A directory in a bucket cannot be renamed, so the files are written directly to their
            # final paths. If the process is killed, it leaves an unfinished copy at these paths. An
            # unfinished copy does no harm, because a run uses only copies that have a record, and
            # the record is written after the copy.
            link_or_copy(model, target)
        else:
            _link(model, Path(target))
    return target, contents


def _link(model: str, target: Path) -> None:
    # Remove the unfinished copies that killed processes left; their names begin with a dot.
    for unfinished in target.parent.glob(".*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    new = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        link_or_copy(model, str(new))
        if target.exists():  # the existing copy is damaged
            shutil.rmtree(target)
        new.replace(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
