"""Saves and restores checkpoints, from which an interrupted training can be resumed."""

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

# The errors, besides tf.errors.OpError, that TensorFlow raises when it restores a checkpoint that
# is damaged, lacks an object, or contains a variable with a wrong shape.
_UNREADABLE = AssertionError, ValueError, IndexError, RuntimeError


def checkpoint_directory(root: str, **determined_by: Any) -> str:
    """Returns the directory for the checkpoints of one training.

    The name of the directory depends only on the inputs and settings of the training, so that the
    next run, or a retry in the cloud, finds the checkpoints of a killed training. Checkpoints
    cannot be saved in TFX's output directory, because TFX creates a new output directory for each
    execution, so the next run would not find the checkpoints.

    Args:
      root: the directory that contains the checkpoints of all the pipeline's trainings.
      determined_by: all inputs and settings on which the trained weights depend, as JSON values.
    """
    key = hashlib.sha256(json.dumps(determined_by, sort_keys=True).encode()).hexdigest()
    return os.path.join(root, key[:16])


def has_checkpoint(directory: str) -> bool:
    """Whether the directory contains a complete checkpoint."""
    return tf.train.latest_checkpoint(f"{directory}/newest") is not None


class _Notes(tf.train.experimental.PythonState):
    """The notes of a checkpoint: the state of the training loop, as a JSON text.

    The notes are saved in the same checkpoint as the weights of the model, so that the state of the
    loop and the weights always belong to the same step.
    """

    def __init__(self) -> None:
        self.text = "{}"

    def serialize(self) -> str:
        return self.text

    def _copy_trackable_to_cpu(self, object_map: dict[Any, Any]) -> None:
        """Makes TensorFlow's background thread save the notes themselves instead of a copy.

        No copy is needed, because `Checkpoints.save` waits for the background thread before it
        changes the notes.
        """
        object_map[self] = self

    def deserialize(self, string_value: bytes) -> None:
        self.text = string_value.decode()


class Checkpoints:
    """The newest checkpoints of a training and, separately, its best weights.

    Only complete checkpoints are restored. To save a checkpoint, TensorFlow first writes the
    checkpoint's data files, and then replaces the file `checkpoint`, which contains the name of the
    newest checkpoint, in an atomic operation. In the background, too, TensorFlow writes the data
    files before it replaces the file `checkpoint`, because a single thread does both.
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
          directory: the directory for the checkpoints of this training.
          variables: all variables that a training step changes.
          weights: the variables of the model.
          kept: the number of newest checkpoints to keep.
          writes: whether this process is the chief, which saves to `directory`. In TensorFlow,
            every worker must take part in saving a checkpoint, but only the chief's files are
            needed, so the other workers save to a temporary directory.
          lease: the lease of the directory, from `trainer.training.checkpoint_lease`; None if no
            other process uses the directory.
          in_background: whether training continues while a checkpoint is written. TensorFlow then
            writes the checkpoint from a copy of the variables in the host's memory.
        """
        self._lease = lease
        self.in_background = in_background
        self._options = tf.train.CheckpointOptions(
            experimental_enable_async_checkpoint=in_background
        )
        self._last_begun: str | None = None  # the last checkpoint that `save` started to write
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
          The notes that `save` stored in the newest checkpoint; empty if there is no checkpoint.

        Raises:
          InputError: the checkpoint is damaged, or it belongs to a different training.
        """
        newest = tf.train.latest_checkpoint(f"{self._directory}/newest")
        if newest is None:
            return {}
        self._read(self._all, newest)
        return json.loads(self._notes.text)

    def save(self, step: int, notes: Mapping[str, Any]) -> None:
        """Saves a checkpoint, in the foreground or background.

        Args:
          step: number of steps so far.
          notes: JSON values to store in the checkpoint; `restore` returns them.

        Raises:
          InputError: this checkpoint or the previous one cannot be written (the last complete
            checkpoint remains), or a different run took over the directory.
        """
        # `sync` waits until the background thread has written the previous checkpoint. If
        # `self._notes` changed earlier, the previous checkpoint could contain the notes of the new
        # checkpoint.
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
            # The background thread has failed to write the last checkpoint, so the main thread
            # writes the checkpoint again, and raises an error if the second attempt fails, too.
            self._write(self._newest, step)

    def save_best(self, step: int) -> None:
        """Saves the current weights as the best weights; raises the same errors as `save`."""
        self._write(self._best, step)

    def restore_best(self) -> None:
        """Restores the best weights of the model."""
        self._read(self._weights, tf.train.latest_checkpoint(f"{self._directory}/best"))

    def remove(self) -> None:
        """Removes all checkpoints, after the training has ended.

        Raises:
          InputError: a different run took over the directory; the checkpoints of that run are not
            removed.
        """
        self._check_lease()
        # From a leased directory, this method removes only the checkpoints, because the directory
        # also contains the lease file. `lease_directory` removes the lease file and the directory
        # when it releases the lease.
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
        """Waits until the last checkpoint is written, even if the training failed."""
        self._end_thread()

    def _end_thread(self) -> None:
        """Ends the thread that writes checkpoints, and frees the thread's copy of the variables.

        TensorFlow 2.21 would keep the thread and the copy until the process ends, even while the
        process runs an evaluation or further trainings. If the thread failed to write its last
        checkpoint, TensorFlow would also print a traceback when the process ends.
        """
        helper = self._all._async_checkpointer_impl
        if helper is None:
            return
        atexit.unregister(helper._join_async_save_thread)
        with contextlib.suppress(tf.errors.OpError):  # `_write` has already reported the error
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
        """Writes a checkpoint, in the foreground or background; returns the checkpoint's path."""
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
