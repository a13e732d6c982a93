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

    An existing copy is used again and never overwritten, unless the copy is damaged. On a disk, the
    copy consists of hard links to the files of the artifact if the file system has hard links. Hard
    links take no disk space.

    Args:
      folder: the folder of all copies; only one process at a time may write to it.
      model: the URI of the artifact.

    Returns:
      The URI of the copy, and the `FileRecord` of each file in it, by relative path.
    """
    contents = record_files(model)
    target = f"{folder}/{hash_records(contents)}"
    if not tf.io.gfile.exists(target) or find_damage(target, contents):
        if "://" in folder:
            # Directories in a bucket cannot be renamed, so the files are written to their final
            # paths. An unfinished copy does no harm, because the record of a blessed model is
            # written after its copy, and a run uses only copies that have a record.
            link_or_copy(model, target)
        else:
            _link(model, Path(target))
    return target, contents


def _link(model: str, target: Path) -> None:
    # Remove the unfinished copies of processes that were killed.
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
