"""Records of pushes: one small JSON file for each version that this project pushed.

The records are in the folder `.pushed` of the serving directory. TensorFlow Serving ignores the
folder `.pushed`, because its name is not a number. If a version has no record, this project did not
push the version, and never removes it.
"""

import dataclasses
import json
from typing import Any

from tfx.dsl.io import fileio

from common.files import write_whole
from common.notice import print_notice

FOLDER = ".pushed"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PushRecord:
    """The record of a pushed version.

    Attributes:
      version: the number of the version.
      identity: the value of `components.model_pusher.serving_directory.identity` for the model.
      pushed_at: the time of the push, such as 2026-01-31T12:00:00Z.
      is_complete: False while the files of the version are written to a bucket, or removed from a
        bucket; otherwise True.
      copy_of: the number of the earlier version from which a rollback copied this version; None if
        a run pushed this version.
      withdrawn_at: the time of the rollback that replaced this version; None if no rollback
        replaced this version. A run does not push a withdrawn model again.
      run: the id of the run that pushed the model; empty if it is not known.
      accuracy: the accuracy of the model on the test split, in [0, 1]; None if it is not known.
    """

    version: int
    identity: str
    pushed_at: str
    is_complete: bool
    copy_of: int | None = None
    withdrawn_at: str | None = None
    run: str = ""
    accuracy: float | None = None


def write_record(base_directory: str, record: PushRecord) -> None:
    """Writes the record of a version; replaces an existing record."""
    fileio.makedirs(f"{base_directory}/{FOLDER}")
    write_whole(_path(base_directory, record.version), json.dumps(dataclasses.asdict(record)))


def remove_record(base_directory: str, version: int) -> None:
    """Removes the record of a version, if there is one."""
    path = _path(base_directory, version)
    if fileio.exists(path):
        fileio.remove(path)


def read_records(base_directory: str) -> dict[int, PushRecord]:
    """Returns the records of a serving directory, in a dictionary by version number.

    Prints a notice for each damaged record.
    """
    folder = f"{base_directory}/{FOLDER}"
    if not fileio.isdir(folder):
        return {}
    names = sorted(name for name in fileio.listdir(folder) if name.endswith(".json"))
    records = (_read(f"{folder}/{name}") for name in names if not name.startswith("."))
    return {record.version: record for record in records if record is not None}


def _read(path: str) -> PushRecord | None:
    try:
        with fileio.open(path) as file:
            return _parse(json.loads(file.read()))
    except (ValueError, TypeError) as error:
        print_notice(
            f"{path}: damaged record of a pushed version ({error}); the version is left as it is, "
            "and will not be removed when newer versions are pushed"
        )
        return None


def _parse(content: Any) -> PushRecord:
    if not isinstance(content, dict):
        raise TypeError(f"found {type(content).__name__}, expected an object")
    return PushRecord(**content)


def _path(base_directory: str, version: int) -> str:
    return f"{base_directory}/{FOLDER}/{version}.json"
