"""Checkpoints, from which a training resumes after it was killed."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from common.errors import InputError

# TensorFlow raises these besides its own errors: for missing objects, other shapes, damaged files.
_UNREADABLE = AssertionError, ValueError, IndexError, RuntimeError


def checkpoint_directory(root: str, **determined_by: Any) -> str:
    """Returns the directory of the checkpoints of one training.

    TFX gives every execution a new output directory. This directory depends only on the inputs and
    settings of the training, so that the next run, or a retried step in the cloud, finds the
    checkpoints of a training that was killed.

    Args:
      root: directory of the checkpoints of all trainings of a pipeline.
      determined_by: everything that determines the trained weights, as JSON values.
    """
    key = hashlib.sha256(json.dumps(determined_by, sort_keys=True).encode()).hexdigest()
    return os.path.join(root, key[:16])


def has_checkpoint(directory: str) -> bool:
    """Whether the directory has a complete checkpoint."""
    return tf.train.latest_checkpoint(f"{directory}/newest") is not None


class _Notes(tf.train.experimental.PythonState):
    """Plain values that are saved in the checkpoint, so that they always fit its weights."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def serialize(self) -> str:
        return json.dumps(self.values)

    def deserialize(self, string_value: bytes) -> None:
        self.values = json.loads(string_value)


class Checkpoints:
    """The newest checkpoints of a training and, separately, its best weights.

    Only complete checkpoints are restored: TensorFlow writes the files of a checkpoint first, and
    then its name into the file `checkpoint`, which is replaced atomically.
    """

    def __init__(
        self,
        directory: str,
        variables: Sequence[tf.Variable],
        weights: Sequence[tf.Variable],
        *,
        kept: int,
        writes: bool = True,
    ) -> None:
        """
        Args:
          directory: directory of this training's checkpoints.
          variables: all variables that a step changes.
          weights: the variables of the model.
          kept: number of checkpoints that are kept.
          writes: whether the files of this process are kept. All workers have to save, but only
            the chief's files are kept.
        """
        self._notes = _Notes()
        self._directory = directory
        self._own = directory if writes else tempfile.mkdtemp()
        self._all = tf.train.Checkpoint(variables=list(variables), notes=self._notes)
        self._weights = tf.train.Checkpoint(weights=list(weights))
        self._newest = tf.train.CheckpointManager(
            self._all, f"{self._own}/newest", max_to_keep=kept, checkpoint_name="step"
        )
        self._best = tf.train.CheckpointManager(
            self._weights, f"{self._own}/best", max_to_keep=1, checkpoint_name="step"
        )

    def restore(self) -> Mapping[str, Any]:
        """Restores the newest checkpoint, if there is one.

        Returns:
          The notes that were saved in it; empty if there is no checkpoint.

        Raises:
          InputError: the checkpoint is damaged or belongs to another training.
        """
        newest = tf.train.latest_checkpoint(f"{self._directory}/newest")
        if newest is None:
            return {}
        self._read(self._all, newest)
        return self._notes.values

    def save(self, step: int, notes: Mapping[str, Any]) -> None:
        """Saves a checkpoint.

        Args:
          step: number of steps so far.
          notes: JSON values that `restore` returns.

        Raises:
          InputError: the checkpoint cannot be written; the previous checkpoint is still there.
        """
        self._notes.values = dict(notes)
        self._write(self._newest, step)

    def save_best(self, step: int) -> None:
        """Saves the weights as the best so far; raises the errors of `save`."""
        self._write(self._best, step)

    def restore_best(self) -> None:
        """Restores the best weights of the model."""
        self._read(self._weights, tf.train.latest_checkpoint(f"{self._directory}/best"))

    def remove(self) -> None:
        """Removes all checkpoints, once the training has ended."""
        if tf.io.gfile.exists(self._own):
            tf.io.gfile.rmtree(self._own)

    def _read(self, variables: tf.train.Checkpoint, path: str) -> None:
        try:
            variables.restore(path).assert_consumed()
        except (*_UNREADABLE, tf.errors.OpError) as error:
            raise InputError(
                f"{path}: no checkpoint of this training ({_reason(error)}); to begin it anew, "
                f"remove {self._directory}"
            ) from error

    def _write(self, manager: tf.train.CheckpointManager, step: int) -> None:
        try:
            manager.save(checkpoint_number=step)
        except tf.errors.OpError as error:
            raise InputError(
                f"{manager.directory}: the checkpoint of step {step} cannot be written "
                f"({_reason(error)}); make room there and give the same command again: the "
                "training goes on from the checkpoint before"
            ) from error


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
