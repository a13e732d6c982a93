"""Creates SavedModels in the cache: from a checkpoint, or with random weights."""

import dataclasses
from pathlib import Path
from typing import Any

from backbones.archive import is_saved_model
from backbones.augreg.architecture import Architecture, Precision, Task
from backbones.catalogue import Model
from backbones.model_cache import use_entry
from common import fingerprint
from common.content_index import hash_file
from common.errors import InputError
from common.lock import hold_lock

_SEED = 0


def make_random_model(entry: Model, cache: Path, *, precision: Precision = "float32") -> Path:
    """Returns a SavedModel with random weights (fixed seed), from the cache or newly created.

    A cached SavedModel is reused only if it was created from the same architecture and seed and by
    the same code.

    Args:
      entry: a model of the catalogue.
      cache: the cache directory.
      precision: the precision of matrix products.

    Returns:
      The directory of the SavedModel.
    """
    content = fingerprint.hash_bytes(f"{entry.architecture} {_SEED}".encode())
    code = fingerprint.hash_code("backbones.augreg.convert", "backbones.augreg.initialization")
    directory = cache / "random" / f"{entry.name}-{precision}-{content[:12]}-{code[:12]}"
    if is_saved_model(directory):
        return use_entry(directory)
    with hold_lock(directory):
        if not is_saved_model(directory):
            from backbones.augreg.convert import convert
            from backbones.augreg.initialization import random_arrays

            arrays = random_arrays(entry.architecture, seed=_SEED)
            convert(arrays, directory, task=entry.task, precision=precision)
    return use_entry(directory)


def convert_checkpoint(
    checkpoint: Path,
    cache: Path,
    *,
    task: Task = "fe",
    precision: Precision = "float32",
    expected: Architecture | None = None,
) -> Path:
    """Returns the SavedModel of an AugReg checkpoint, from the cache or newly converted.

    A cached SavedModel is reused only if it was converted from the same checkpoint by the same
    code.

    Args:
      checkpoint: the path of an `.npz` file.
      cache: the cache directory.
      task: "fe" for a feature extractor, "classification" for a classifier.
      precision: the precision of matrix products.
      expected: the architecture, with its head, that the checkpoint must have; if None, any
        architecture is accepted.

    Returns:
      The directory of the SavedModel.

    Raises:
      CheckpointError: the file is not an AugReg checkpoint, or has another architecture.
      InputError: the file cannot be read, or has no head although `task` is "classification".
    """
    try:
        content = hash_file(checkpoint)
    except OSError as error:
        raise InputError(
            f"{checkpoint}: cannot be read ({error.strerror}); expected an AugReg checkpoint (.npz)"
        ) from error
    code = fingerprint.hash_code("backbones.augreg.convert", "backbones.augreg.checkpoint")
    name = f"{checkpoint.stem}-{task}-{precision}-{content[:12]}-{code[:12]}"
    directory = cache / "converted" / name
    if is_saved_model(directory):
        return use_entry(directory)
    with hold_lock(directory):
        if not is_saved_model(directory):
            arrays = _load(checkpoint, task, expected)
            from backbones.augreg.convert import convert

            convert(arrays, directory, task=task, precision=precision)
    return use_entry(directory)


def _load(checkpoint: Path, task: Task, expected: Architecture | None) -> dict[str, Any]:
    """Reads the arrays of a checkpoint, and checks its architecture."""
    from backbones.augreg.checkpoint import infer_architecture, load_checkpoint
    from backbones.augreg.npz import CheckpointError

    arrays = load_checkpoint(checkpoint)
    found = infer_architecture(arrays)
    if expected is not None and found != expected:
        raise CheckpointError(f"{checkpoint}: {_difference(found, expected)}")
    if task == "classification" and found.classes is None:
        # Do not raise CheckpointError here: after a CheckpointError, callers delete or rename the
        # file, but this file is a valid checkpoint.
        raise InputError(
            f"{checkpoint}: array 'head/kernel' is missing; expected a head, which a classifier "
            "needs; use the checkpoint of a classifier"
        )
    return arrays


def _difference(found: Architecture, expected: Architecture) -> str:
    """Describes the sizes in which two architectures differ."""
    names = [field.name for field in dataclasses.fields(Architecture)]
    other = [name for name in names if getattr(found, name) != getattr(expected, name)]
    first, second = (
        ", ".join(f"{name} {getattr(architecture, name)}" for name in other)
        for architecture in (found, expected)
    )
    return f"found {first}; expected {second}"
