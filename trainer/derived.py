"""SavedModels that are made here: from a checkpoint, or from a seed."""

import dataclasses
import hashlib
from pathlib import Path

from trainer import fingerprint
from trainer.augreg.architecture import Architecture
from trainer.catalogue import Model, Task
from trainer.errors import InputError
from trainer.locked import locked
from trainer.unpack import is_saved_model


def made(entry: Model, cache: Path) -> Path:
    """The architecture of `entry` with random weights from a fixed seed."""
    code = fingerprint.of_code("trainer.augreg.convert", "trainer.augreg.initialization")
    directory = cache / "random" / f"{entry.name}-{code[:12]}"
    if is_saved_model(directory):
        return directory
    with locked(directory):
        if not is_saved_model(directory):
            from trainer.augreg.convert import convert
            from trainer.augreg.initialization import random_arrays

            convert(random_arrays(entry.architecture, seed=0), directory, task=entry.task)
    return directory


def converted(
    checkpoint: Path, cache: Path, *, task: Task = "fe", expected: Architecture | None = None
) -> Path:
    """The SavedModel of an AugReg checkpoint; another one if the converting code changes.

    Args:
      checkpoint: an `.npz` file.
      cache: below which it is put.
      task: what to make of it.
      expected: the architecture that it must have, its head included; None is any.

    Raises:
      InputError: no such checkpoint.
    """
    with checkpoint.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    code = fingerprint.of_code("trainer.augreg.convert", "trainer.augreg.checkpoint")
    name = f"{checkpoint.stem}-{task}-{content[:12]}-{code[:12]}"
    directory = cache / "converted" / name
    if is_saved_model(directory):
        return directory
    with locked(directory):
        if not is_saved_model(directory):
            _convert(checkpoint, directory, task, expected)
    return directory


def _convert(checkpoint: Path, directory: Path, task: Task, expected: Architecture | None) -> None:
    from trainer.augreg.checkpoint import architecture_of, load_checkpoint
    from trainer.augreg.convert import convert

    arrays = load_checkpoint(checkpoint)
    found = architecture_of(arrays)
    if expected is not None and found != expected:
        raise InputError(f"{checkpoint}: {_difference(found, expected)}")
    convert(arrays, directory, task=task)


def _difference(found: Architecture, expected: Architecture) -> str:
    """What one architecture has otherwise than the other."""
    names = [field.name for field in dataclasses.fields(Architecture)]
    other = [name for name in names if getattr(found, name) != getattr(expected, name)]
    first, second = (
        ", ".join(f"{name} {getattr(architecture, name)}" for name in other)
        for architecture in (found, expected)
    )
    return f"found {first}; expected {second}"
