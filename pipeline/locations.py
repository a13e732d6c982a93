"""Checks the directories that a run reads and writes.

This module does not import TensorFlow, which takes seconds to import.
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from backbones.reference import parse_model
from common.buckets import TENSORFLOW_SCHEMES, check_reachable, check_scheme
from common.errors import InputError
from pipeline.options.config import Config
from pipeline.options.storage import is_in_launcher_store

_ROOT, _SERVING, _DATASET, _MODEL = "--pipeline-root", "--serving-dir", "--dataset", "--model"
_STATE = "cloud.state_dir"

# Each row contains two options and a reason. The directory of the first option must neither be the
# directory of the second option nor be inside it; the reason is for the error message.
_APART = (
    (_ROOT, _DATASET, "artifacts would be taken for images"),
    (_SERVING, _DATASET, "pushed models would be taken for images"),
    (_DATASET, _ROOT, "artifacts are removed with the root, and the images with them"),
    (_DATASET, _SERVING, "a server would look for models among the images"),
    (_ROOT, _SERVING, "a server would look for models among the artifacts"),
    (_ROOT, _MODEL, "artifacts would become a part of the SavedModel"),
    (_SERVING, _MODEL, "pushed models would become a part of the SavedModel"),
    (_STATE, _DATASET, "checkpoints and blessed models would be taken for images"),
    (_STATE, _SERVING, "a server would look for models among the checkpoints"),
    (_STATE, _MODEL, "checkpoints would become a part of the SavedModel"),
)


def check_locations(config: Config) -> None:
    """Checks the nesting of the directories of a run, and the schemes of all URIs.

    Raises:
      InputError: a directory is equal to, or inside, another directory that must not contain it; or
        TensorFlow has no file system for a URI.
    """
    written = _written(config)
    for flag, place in written.items():
        if flag == _ROOT and config.run.runner == "kubeflow" and is_in_launcher_store(place):
            continue
        check_scheme(flag, place, TENSORFLOW_SCHEMES, "a path or gs://BUCKET/PATH")
    if config.data_dir:
        check_scheme("--data-dir", config.data_dir, TENSORFLOW_SCHEMES, "a path or gs://…")
    if config.schema:
        check_scheme("--schema", config.schema, TENSORFLOW_SCHEMES, "a path or gs://…")
    places = written | dict(_read(config))
    for inner, outer, why in _APART:
        if inner in places and outer in places and _is_within(places[inner], places[outer]):
            is_same = _parts(places[inner]) == _parts(places[outer])
            raise InputError(
                f"{inner} {places[inner]}: {'is' if is_same else 'is in'} {outer} "
                f"{places[outer]}, where {why}; expected another {inner} or {outer}"
            )


def check_written(config: Config) -> None:
    """Checks that the run can write its results to its directories on this machine.

    Raises:
      InputError: the run cannot write to a directory.
    """
    for flag, place in _written(config).items():
        check_writable(flag, place)


def check_buckets(config: Config) -> None:
    """Checks within seconds that this machine can reach Cloud Storage, if the run uses a bucket.

    Raises:
      UnreachableError: this machine cannot reach Cloud Storage.
    """
    for flag, place in {
        _MODEL: config.model,
        _DATASET: config.dataset,
        "--data-dir": config.data_dir or "",
        "--schema": config.schema or "",
        _ROOT: config.pipeline_root,
        _SERVING: config.serving_dir,
    }.items():
        if place.startswith("gs://"):
            # One check is enough, because the server of Cloud Storage has all buckets.
            check_reachable(flag, place)
            return


def check_writable(flag: str, place: str) -> None:
    """Checks that a local directory is writable or can be created.

    Args:
      flag: the flag that named the directory, for the error message.
      place: a path or a URI. This function accepts every URI without a check.

    Raises:
      InputError: the path, or its closest existing parent, is not a writable directory.
    """
    if "://" in place:
        return
    existing = next(p for p in (Path(place), *Path(place).parents) if os.path.lexists(p))
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(
            f"{flag} {place}: {existing} is not a directory that can be written; choose another"
        )


def _written(config: Config) -> dict[str, str]:
    """Returns the directories to which a run writes, by the option that names the directory."""
    places = {
        _ROOT: config.pipeline_root,
        _SERVING: config.serving_dir,
        _STATE: config.cloud.state_dir or "",
    }
    return {flag: place for flag, place in places.items() if place}


def _read(config: Config) -> Iterator[tuple[str, str]]:
    """Yields the flag and the path of each folder that a run reads: images and SavedModel."""
    if "path" in config.source:
        yield _DATASET, config.source["path"]
    if config.model and parse_model(config.model).kind == "path" and Path(config.model).is_dir():
        yield _MODEL, config.model


def _is_within(inner: str, outer: str) -> bool:
    return _parts(inner)[: len(_parts(outer))] == _parts(outer)


def _parts(place: str) -> tuple[str, ...]:
    """Splits a path or URI at each `/`, after resolving the symbolic links of a path."""
    if "://" in place:
        scheme, _, path = place.partition("://")
        return (f"{scheme}://", *PurePosixPath(path).parts)
    return Path(place).resolve().parts
