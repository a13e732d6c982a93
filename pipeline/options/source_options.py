"""The options that have an effect only for some kinds of datasets, such as folders or manifests.

This module does not import TensorFlow, which takes seconds to import.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from common.errors import InputError
from pipeline.options.ingest import Ingest

_FOLDERS = ("layout", "splits", "classes")
# For each kind of dataset, the options of the group `ingest` that have an effect. The class that
# reads a dataset takes each of these options as a constructor argument of the same name.
_TAKEN: Mapping[str, tuple[str, ...]] = {
    "digits": (),
    "folder": _FOLDERS,
    "manifest": ("splits", "classes"),
    "remote_folder": _FOLDERS,
    "tfds": (),
    "tfrecord": ("splits", "classes", "features"),
}
_ALL = sorted({name for names in _TAKEN.values() for name in names})


def source_arguments(kind: str, ingest: Ingest) -> dict[str, Any]:
    """Returns the options that the user has set, as arguments for the class that reads the dataset.

    Args:
      kind: the kind of source, a key of `components.image_example_gen.sources.kinds.KINDS`.
      ingest: the options.
    """
    arguments = {}
    for name in _TAKEN[kind]:
        value = getattr(ingest, name)
        if dataclasses.is_dataclass(value):
            value = {key: _tuple_to_list(item) for key, item in vars(value).items() if item}
        if value and value != getattr(Ingest, name, None):
            arguments[name] = _tuple_to_list(value)
    return arguments


def _tuple_to_list(value: Any) -> Any:
    """Returns a tuple as a list, because JSON has no tuples, and any other value unchanged."""
    return list(value) if isinstance(value, tuple) else value


def check_source_options(kind: str, values: Mapping[str, Any], given: Mapping[str, str]) -> None:
    """Checks that each option that the user gave has an effect on a dataset of this kind.

    Args:
      kind: the kind of the dataset, such as "folder" or "manifest".
      values: the values that the user gave, in a dictionary by dotted key.
      given: the flag or YAML key of each option that differs from its default, in a dictionary by
        dotted key.

    Raises:
      InputError: an option has no effect for this kind of dataset.
    """
    for key, origin in given.items():
        name = key.removeprefix("ingest.").partition(".")[0]
        if key.startswith("ingest.") and name in _ALL and name not in _TAKEN[kind]:
            kinds = [other for other, names in _TAKEN.items() if name in names]
            raise InputError(
                f"{origin}: has no effect with --dataset {values.get('dataset', 'tf_flowers')}, a "
                f"dataset of the kind {kind}; expected one of {', '.join(kinds)}, or leave it out"
            )
    named = [origin for key, origin in given.items() if key.startswith("ingest.splits.")]
    if named and values.get("ingest.layout") == "classes":
        raise InputError(
            f"{named[0]}: has no effect with {given['ingest.layout']} classes, because then every "
            "folder is a class, and no folder is a split; expected only one of the two"
        )
