"""Checkpoints, from which a training resumes after it was killed."""

import atexit
import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from common.errors import InputError
from common.lease import Lease

# The errors that TensorFlow raises, besides tf.errors.OpError, for missing objects, wrong shapes
# and damaged files.
_UNREADABLE = AssertionError, ValueError, IndexError, RuntimeError


def checkpoint_directory(root: str, **determined_by: Any) -> str:
    """Returns the directory of the checkpoints of one training.

    TFX gives every execution a new output directory. The directory of the checkpoints depends only
    on the inputs and settings of the training, so that the next run, or a retried step in the
    cloud, finds the checkpoints of a training that was killed.

    Args:
      root: directory of the checkpoints of all trainings of a pipeline.
      determined_by: all inputs and settings on which the trained weights depend, as JSON values.
    """
    key = hashlib.sha256(json.dumps(determined_by, sort_keys=True).encode()).hexdigest()
    return os.path.join(root, key[:16])


def has_checkpoint(directory: str) -> bool:
    """Whether the directory has a complete checkpoint."""
    return tf.train.latest_checkpoint(f"{directory}/newest") is not None


class _Notes(tf.train.experimental.PythonState):
    """JSON values in the same checkpoint as the weights, so that values and weights are from the
    same step.
    """

    def __init__(self) -> None:
        self.text = "{}"

    def serialize(self) -> str:
        return self.text

    def _copy_trackable_to_cpu(self, object_map: dict[Any, Any]) -> None:
        """Tells TensorFlow that there is nothing to copy before it saves in the background."""
        object_map[self] = self

    def deserialize(self, string_value: bytes) -> None:
        self.text = string_value.decode()


class Checkpoints:
    """The newest checkpoints of a training and, separately, its best weights.

    Only complete checkpoints are restored: TensorFlow writes the files of a checkpoint first, and
    then its name into the file `checkpoint`, which is replaced atomically. If checkpoints are
    written in the background, the same thread writes the files and then the name.
    """

    def __init__(
        self,
        directory: str,
        variables: Sequence[tf.Variable],
        weights: Sequence[tf.Variable],
        *,
        kept: int,
        writes: bool = True,
        lease: Lease | None = None,
        in_background: bool = False,
    ) -> None:
        """
        Args:
          directory: directory of this training's checkpoints.
          variables: all variables that a step changes.
          weights: the variables of the model.
          kept: number of checkpoints that are kept.
          writes: whether the files of this process are kept. All workers have to save, but only
            the chief's files are kept.
          lease: the lease of the directory, from `trainer.training.checkpoint_lease`; None if no
            other process uses the directory.
          in_background: whether training goes on while a checkpoint is written. With True,
            TensorFlow first copies the variables to the host's memory.
        """
        self._lease = lease
        self.in_background = in_background
        self._options = tf.train.CheckpointOptions(
            experimental_enable_async_checkpoint=in_background
        )
        self._last_begun: str | None = None  # path of the last checkpoint that `save` began
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
          The notes in that checkpoint; empty if there is no checkpoint.

        Raises:
          InputError: the checkpoint is damaged or belongs to another training.
        """
        newest = tf.train.latest_checkpoint(f"{self._directory}/newest")
        if newest is None:
            return {}
        self._read(self._all, newest)
        return json.loads(self._notes.text)

    def save(self, step: int, notes: Mapping[str, Any]) -> None:
        """Saves a checkpoint, or begins to save it in the background.

        Args:
          step: number of steps so far.
          notes: JSON values that `restore` returns.

        Raises:
          InputError: this checkpoint or the previous one cannot be written (the last complete
            checkpoint is still there), or another run took over the directory.
        """
        # The previous checkpoint, which may still be being written, must not get the new notes.
        self._newest.sync()
        self._notes.text = json.dumps(notes)
        self._last_begun = self._write(self._newest, step, self._options)

    def finish(self, step: int) -> None:
        """Waits until the last checkpoint is written.

        Args:
          step: number of steps so far.

        Raises:
          InputError: the checkpoint cannot be written.
        """
        self._newest.sync()
        if self._last_begun not in (None, self._newest.latest_checkpoint):
            self._write(self._newest, step)  # a second failure to write raises its error

    def save_best(self, step: int) -> None:
        """Saves the weights as the best so far; raises the errors of `save`."""
        self._write(self._best, step)

    def restore_best(self) -> None:
        """Restores the best weights of the model."""
        self._read(self._weights, tf.train.latest_checkpoint(f"{self._directory}/best"))

    def remove(self) -> None:
        """Removes all checkpoints, after the training has ended.

        Raises:
          InputError: another run took over the directory; the other run's checkpoints are not
            removed.
        """
        self._check_lease()
        # The file of the lease, if there is a lease, is still in the directory. Releasing the lease
        # removes the file and the directory.
        leased = [self._newest.directory, self._best.directory]
        for directory in leased if self._lease else [self._own]:
            if tf.io.gfile.exists(directory):
                tf.io.gfile.rmtree(directory)

    def _check_lease(self) -> None:
        if self._lease:
            self._lease.check()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *error: object) -> None:
        """Waits for a checkpoint that is being written, also after the training has failed."""
        self._end_thread()

    def _end_thread(self) -> None:
        """Ends the thread that writes checkpoints, and frees its copy of the variables.

        TensorFlow 2.21 keeps the thread and the copy until the process ends, but before that, this
        process may run an evaluation or further trainings. At the end of the process, TensorFlow
        would also print the traceback of the thread's last error.
        """
        helper = self._all._async_checkpointer_impl
        if helper is None:
            return
        atexit.unregister(helper._join_async_save_thread)
        with contextlib.suppress(tf.errors.OpError):  # `_write` has reported the error
            helper._join_async_save_thread()
        self._all._async_checkpointer_impl = None

    def _read(self, variables: tf.train.Checkpoint, path: str) -> None:
        try:
            variables.restore(path).assert_consumed()
        except (*_UNREADABLE, tf.errors.OpError) as error:
            raise InputError(
                f"{path}: damaged, or not a checkpoint of this training ({_reason(error)}); to "
                f"start the training from the beginning, remove {self._directory}"
            ) from error

    def _write(
        self,
        manager: tf.train.CheckpointManager,
        step: int,
        options: tf.train.CheckpointOptions | None = None,
    ) -> str:
        """Writes a checkpoint, or begins to write it in the background; returns its path."""
        self._check_lease()
        try:
            return manager.save(checkpoint_number=step, options=options)
        except tf.errors.OpError as error:
            self._end_thread()
            raise InputError(
                f"{manager.directory}: the checkpoint of step {step} cannot be written "
                f"({_reason(error)}); free some disk space and give the same command again: the "
                "training resumes from the previous checkpoint"
            ) from error


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
