"""Checkpoints of a training: what it goes on from after it was killed."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from common.errors import InputError

# What TensorFlow raises, beside its own: objects are left over; other shapes; damaged files.
_UNREADABLE = AssertionError, ValueError, IndexError, RuntimeError


def checkpoint_directory(root: str, **determined_by: Any) -> str:
    """Where the checkpoints of one training lie, known by what determines it.

    TFX gives every execution a new output directory; a training that was killed is found again in
    this one by the next run, or by a retried step in the cloud.

    Args:
      root: of all trainings of a pipeline.
      determined_by: anything that JSON can say.
    """
    key = hashlib.sha256(json.dumps(determined_by, sort_keys=True).encode()).hexdigest()
    return os.path.join(root, key[:16])


def has_checkpoint(directory: str) -> bool:
    """Whether a training has got as far as a checkpoint there."""
    return tf.train.latest_checkpoint(f"{directory}/newest") is not None


class _Notes(tf.train.experimental.PythonState):
    """Plain values that lie in the checkpoint, so that they and the weights never disagree."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def serialize(self) -> str:
        return json.dumps(self.values)

    def deserialize(self, string_value: bytes) -> None:
        self.values = json.loads(string_value)


class Checkpoints:
    """The newest checkpoints of a training, and apart from them its best weights.

    A checkpoint counts once it is complete: TensorFlow writes its files first, and then the name of
    the newest into the file `checkpoint`, which is replaced atomically.
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
          directory: of this training.
          variables: all that a step changes.
          weights: those of the model.
          kept: how many checkpoints are kept.
          writes: whether this process is the one whose files count. All workers have to save.
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
        """Goes back to the newest checkpoint; what was noted in it, empty where there is none.

        Raises:
          InputError: it is damaged, or another training's.
        """
        newest = tf.train.latest_checkpoint(f"{self._directory}/newest")
        if newest is None:
            return {}
        self._read(self._all, newest)
        return self._notes.values

    def save(self, step: int, notes: Mapping[str, Any]) -> None:
        """Writes everything.

        Args:
          step: how many there have been.
          notes: JSON values for `restore`.

        Raises:
          InputError: it cannot be written; the checkpoint before it is still there.
        """
        self._notes.values = dict(notes)
        self._write(self._newest, step)

    def save_best(self, step: int) -> None:
        """Writes the weights as the best so far; raises as `save`."""
        self._write(self._best, step)

    def restore_best(self) -> None:
        """Puts the best weights into the model."""
        self._read(self._weights, tf.train.latest_checkpoint(f"{self._directory}/best"))

    def remove(self) -> None:
        """Removes all of them: the training is over."""
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
