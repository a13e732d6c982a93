"""Copies SavedModels into a serving directory in such a way that servers never see an incomplete
version.

On a disk, the files of a version are first written to a directory whose name TensorFlow Serving
ignores. After the files have been flushed to the disk, the directory is renamed to the number of
the version. A directory in a bucket cannot be renamed, so `saved_model.pb`, without which no server
loads a version, is written last. Until all files of a version are in the bucket, the push record
marks the version as incomplete (`PushRecord.is_complete`). If a push is killed, the next push or
rollback removes the incomplete version.

A process that changes a serving directory must hold the lease of the directory
(`hold_serving_directory`).
"""

import dataclasses
import datetime
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfx.dsl.io import fileio

from common import termination
from common.file_records import list_files, list_graph_last
from common.files import flush_directory
from common.lease import hold_lease
from common.saved_model import GRAPH_FILE
from components.model_pusher.push_records import (
    FOLDER,
    PushRecord,
    read_records,
    remove_record,
    write_record,
)
from components.model_pusher.serving_directory import WARM_UP, identity
from components.model_pusher.versions import choose_version, list_versions
from components.model_pusher.warm_up import write_warm_up

# Temporary files are in the folder of the push records, where servers do not look for versions.
_LEASE = f"{FOLDER}/lease"
_UNFINISHED = f"{FOLDER}/unfinished-"  # prefix of the paths of unfinished versions


@contextmanager
def hold_serving_directory(base_directory: str) -> Iterator[None]:
    """A context manager that holds the lease of the serving directory, so that no other process
    changes it.

    The function creates the directory if it does not exist, and removes the files that killed
    pushes left there.
    """
    fileio.makedirs(f"{base_directory}/{FOLDER}")
    with hold_lease(f"{base_directory}/{_LEASE}", f"the serving directory {base_directory}"):
        remove_leftovers(base_directory)
        yield


def publish(
    model: str,
    base_directory: str,
    *,
    copy_of: int | None = None,
    max_batch: int | None = None,
    run: str = "",
    accuracy: float | None = None,
) -> str:
    """Copies a SavedModel to a new version directory, which servers see only when it is complete.

    Args:
      model: the directory of the SavedModel.
      base_directory: the serving directory, whose lease this process holds.
      copy_of: for a rollback, the number of the earlier version that is published again; None for a
        new model.
      max_batch: the number of images in the largest warm-up request. If `max_batch` is None, no
        warm-up requests are added to the version.
      run: the id of the run that pushes the model, for the push record.
      accuracy: the accuracy of the model, for the push record.

    Returns:
      The directory of the new version.

    Raises:
      InputError: the serving directory already has the greatest possible version number.
      OSError, tf.errors.OpError: the files cannot be written; the existing versions are unchanged.
    """
    version = choose_version(base_directory, int(time.time()))
    record = PushRecord(
        version=version,
        identity=identity(model),
        pushed_at=now(),
        is_complete="://" not in base_directory,
        copy_of=copy_of,
        run=run,
        accuracy=accuracy,
    )
    # The record is written before the files of the version, because a version without a record
    # would count as a version that this project did not push, and would never be removed.
    write_record(base_directory, record)
    try:
        if record.is_complete:
            _write_and_rename(model, base_directory, version, max_batch)
        else:
            _upload(model, f"{base_directory}/{version}", record, max_batch)
    except BaseException:
        remove_leftovers(base_directory)
        raise
    return f"{base_directory}/{version}"


def remove_version(base_directory: str, record: PushRecord) -> None:
    """Removes a version that this project pushed. During the removal, servers never see an
    incomplete version.
    """
    directory = f"{base_directory}/{record.version}"
    if "://" in base_directory:
        unfinished = dataclasses.replace(record, is_complete=False)
        write_record(base_directory, unfinished)
        if fileio.exists(f"{directory}/{GRAPH_FILE}"):
            fileio.remove(f"{directory}/{GRAPH_FILE}")
    else:
        os.rename(directory, f"{base_directory}/{_UNFINISHED}{record.version}")
    remove_leftovers(base_directory)


def remove_leftovers(base_directory: str) -> None:
    """Removes unfinished versions, and the push records of versions that do not exist."""
    if "://" not in base_directory:
        for leftover in Path(base_directory).glob(f"{_UNFINISHED}*"):
            shutil.rmtree(leftover)
        # `write_whole` first writes to a file named `.*.new`, which remains if the process is
        # killed.
        for leftover in Path(base_directory, FOLDER).glob(".*.new"):
            leftover.unlink()
    versions = list_versions(base_directory)
    for version, record in read_records(base_directory).items():
        if version in versions and not record.is_complete:
            fileio.rmtree(f"{base_directory}/{versions[version]}")
        # The record of a withdrawn model is kept, so that no run pushes that model again.
        is_gone = version not in versions or not record.is_complete
        if is_gone and record.withdrawn_at is None:
            remove_record(base_directory, version)


def now() -> str:
    """Returns the current time, such as 2026-01-31T12:00:00Z."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _write_and_rename(model: str, base_directory: str, version: int, max_batch: int | None) -> None:
    new = Path(base_directory, f"{_UNFINISHED}{version}")
    for name in list_files(model):
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        with fileio.open(f"{model}/{name}", "rb") as source, (new / name).open("xb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
    if max_batch:
        write_warm_up(model, str(new), max_batch=max_batch)
        _flush_file(new / WARM_UP)
    for folder, _, _ in os.walk(new):
        flush_directory(Path(folder))
    termination.stop_here()
    new.rename(Path(base_directory, str(version)))
    flush_directory(Path(base_directory))


def _flush_file(path: Path) -> None:
    """Flushes an existing file to the disk, so that the file survives a power failure."""
    if path.exists():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _upload(model: str, directory: str, record: PushRecord, max_batch: int | None) -> None:
    if max_batch:
        write_warm_up(model, directory, max_batch=max_batch)
    for name in list_graph_last(model):
        fileio.makedirs(os.path.dirname(f"{directory}/{name}"))
        termination.stop_here()
        fileio.copy(f"{model}/{name}", f"{directory}/{name}", overwrite=True)
    write_record(os.path.dirname(directory), dataclasses.replace(record, is_complete=True))
