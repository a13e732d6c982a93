"""Finds the versions in a serving directory by the rules of TensorFlow Serving.

TensorFlow Serving treats an entry of the serving directory as a version if the name of the entry is
a 64-bit number, even if the entry contains no model. TensorFlow Serving ignores entries whose names
are not numbers. TensorFlow Serving serves the version with the greatest number
(tensorflow_serving/sources/storage_path/file_system_storage_path_source.cc,
`IndexChildrenByVersion`, `AspireLatestVersions`).
"""

import re

from tfx.dsl.io import fileio

from common.errors import InputError

LARGEST = 2**63 - 1


def list_versions(base_directory: str) -> dict[int, str]:
    """Returns the versions in a serving directory, in a dictionary from version number to entry
    name, sorted by version number.
    """
    if not fileio.isdir(base_directory):
        return {}
    names = (name.rstrip("/") for name in fileio.listdir(base_directory))
    numbers = {int(name): name for name in names if re.fullmatch("[0-9]+", name)}
    return {number: name for number, name in sorted(numbers.items()) if number <= LARGEST}


def choose_version(base_directory: str, seconds: int) -> int:
    """Returns a version number that is greater than all numbers in a serving directory.

    Args:
      base_directory: the serving directory.
      seconds: the Unix time, which is returned if it is greater than all numbers in the directory.

    Raises:
      InputError: the directory already contains the greatest possible version number.
    """
    greatest = max(list_versions(base_directory), default=-1)
    if greatest == LARGEST:
        raise InputError(
            f"{base_directory}/{greatest}: found the greatest version number that TensorFlow "
            "Serving knows, so no new version would be served; rename or remove that entry"
        )
    return max(seconds, greatest + 1)
