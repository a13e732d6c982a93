"""SavedModels that are made here: from a checkpoint, or from a seed."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from backbones.archive import is_saved_model
from backbones.augreg.architecture import Architecture, Precision, Task
from backbones.catalogue import Model
from backbones.kept import use_entry
from common import fingerprint
from common.errors import InputError
from common.lock import hold_lock

_SEED = 0


def make_random_model(entry: Model, cache: Path, *, precision: Precision = "float32") -> Path:
    """The architecture of `entry` with random weights from a fixed seed.

    Another one if the architecture, the seed or the code changes.
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
    """The SavedModel of an AugReg checkpoint; another one if the converting code changes.

    Args:
      checkpoint: an `.npz` file.
      cache: below which it is put.
      task: what to make of it.
      precision: of its matrix products.
      expected: the architecture that it must have, its head included; None is any.

    Raises:
      CheckpointError: it is no AugReg checkpoint, or not the expected one.
      InputError: it cannot be read, or has no head to make a classifier of.
    """
    try:
        with checkpoint.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
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
    """The checkpoint's arrays (NumPy's, which is imported late)."""
    from backbones.augreg.checkpoint import infer_architecture, load_checkpoint
    from backbones.augreg.npz import CheckpointError

    arrays = load_checkpoint(checkpoint)
    found = infer_architecture(arrays)
    if expected is not None and found != expected:
        raise CheckpointError(f"{checkpoint}: {_difference(found, expected)}")
    if task == "classification" and found.classes is None:  # which is no fault of the file's
        raise InputError(
            f"{checkpoint}: array 'head/kernel' is missing, expected a head to classify with; "
            "use the checkpoint of a classifier"
        )
    return arrays


def _difference(found: Architecture, expected: Architecture) -> str:
    """What one architecture has otherwise than the other."""
    names = [field.name for field in dataclasses.fields(Architecture)]
    other = [name for name in names if getattr(found, name) != getattr(expected, name)]
    first, second = (
        ", ".join(f"{name} {getattr(architecture, name)}" for name in other)
        for architecture in (found, expected)
    )
    return f"found {first}; expected {second}"
