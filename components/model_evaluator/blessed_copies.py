"""Copies of blessed models, named by their content: no later run writes where they lie."""

import shutil
import uuid
from pathlib import Path

import tensorflow as tf

from common.file_records import FileRecord, find_damage, hash_records, record_files
from common.files import link_or_copy


def keep_copy(folder: str, model: str) -> tuple[str, dict[str, FileRecord]]:
    """Copies the Model artifact at the URI `model` to a folder named by its content.

    On a disk the files are hard links to those of the artifact where the file system allows that,
    so that a copy costs nothing.

    Args:
      folder: of all copies; only one process at a time may call this with it.
      model: URI of the artifact.

    Returns:
      The URI of the copy, and the content of its files. A copy that was there is used, and made
      anew where it is damaged.
    """
    contents = record_files(model)
    target = f"{folder}/{hash_records(contents)}"
    if not tf.io.gfile.exists(target) or find_damage(target, contents):
        if "://" in folder:
            # A bucket has no directories to rename; the copy counts once it is recorded.
            link_or_copy(model, target)
        else:
            _link(model, Path(target))
    return target, contents


def _link(model: str, target: Path) -> None:
    for left in target.parent.glob(".*"):  # by a process that was killed while it copied
        shutil.rmtree(left, ignore_errors=True)
    new = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        link_or_copy(model, str(new))
        if target.exists():  # and is damaged
            shutil.rmtree(target)
        new.replace(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
