"""Removes old versions from a serving directory."""

from collections.abc import Iterator

from components.model_pusher.publish import remove_version
from components.model_pusher.push_records import read_records
from components.model_pusher.versions import list_versions


def remove_old_versions(base_directory: str, *, keep: int, champion: str) -> list[int]:
    """Removes the versions that this project pushed, except the `keep` newest versions.

    Versions that this project did not push are never removed, and are not counted in `keep`.

    Args:
      base_directory: the serving directory, whose lease this process holds.
      keep: the number of versions to keep, at least 1, including the served version.
      champion: the `identity` of the last blessed model; a version with this model is not removed.

    Returns:
      The numbers of the versions that were removed.
    """
    return list(_remove(base_directory, keep, champion))


def _remove(base_directory: str, keep: int, champion: str) -> Iterator[int]:
    records = read_records(base_directory)
    ours = [number for number in list_versions(base_directory) if number in records]
    for number in ours[:-keep]:
        if records[number].identity != champion:
            remove_version(base_directory, records[number])
            yield number
