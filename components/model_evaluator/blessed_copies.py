"""Copies of blessed models, named by their content: no later run writes where they lie."""

import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from common.file_records import FileRecord, find_damage, hash_records, record_files


def keep_copy(folder: str, model: str) -> tuple[str, dict[str, FileRecord]]:
    """Copies the Model artifact at the URI `model` to a folder named by its content.

    On a disk the files are hard links to those of the artifact where the file system allows that,
    so that a copy costs nothing.

    Args:
      folder: of all copies.
      model: URI of the artifact.

    Returns:
      The URI of the copy, and the content of its files. A copy that was there is used, and made
      anew where it is damaged.
    """
    contents = record_files(model)
    target = f"{folder}/{hash_records(contents)}"
    if not tf.io.gfile.exists(target) or find_damage(target, contents):
        if "://" in folder:
            _upload(model, target, contents)
        else:
            _link(Path(model), Path(target), contents)
    return target, contents


def _upload(model: str, target: str, contents: Mapping[str, FileRecord]) -> None:
    """In a bucket there are no directories to rename; the copy counts once it is recorded."""
    for name in contents:
        tf.io.gfile.makedirs(os.path.dirname(f"{target}/{name}"))
        tf.io.gfile.copy(f"{model}/{name}", f"{target}/{name}", overwrite=True)


def _link(model: Path, target: Path, contents: Mapping[str, FileRecord]) -> None:
    new = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        for name in contents:
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(model / name, new / name)
            except OSError:  # another disk, or a file system without links
                shutil.copy2(model / name, new / name)
        if target.exists():  # and is damaged
            shutil.rmtree(target)
        new.replace(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
