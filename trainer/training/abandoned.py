"""Removes the checkpoints of trainings that were interrupted and never resumed."""

import logging
import os
import time

import tensorflow as tf

logger = logging.getLogger(__name__)

# The checkpoints of the `_KEPT_TRAININGS` most recently interrupted trainings are always kept.
_KEPT_TRAININGS = 3
# The age of the last checkpoint, in hours, after which an interrupted training counts as abandoned.
_HOURS = 24


def remove_abandoned(root: str, current: str, *, now: float | None = None) -> None:
    """Removes the checkpoints of a pipeline's abandoned trainings.

    A training that reaches its end removes its own checkpoints after the export of the model. An
    interrupted training leaves its checkpoints, so that a later run with the same settings and data
    can resume the training. If the settings or data change before that, only this function removes
    the checkpoints.

    Args:
      root: the directory that contains the checkpoints of all trainings, on this machine or in a
        bucket.
      current: the checkpoint directory of the training that is about to begin; this directory is
        kept.
      now: the current time, in seconds since the epoch; None to read the clock.
    """
    if not tf.io.gfile.isdir(root):
        return
    now = time.time() if now is None else now
    names = [name.rstrip("/") for name in tf.io.gfile.listdir(root)]
    others = [os.path.join(root, name) for name in names if name != os.path.basename(current)]
    written = {path: when for path in others if (when := _last_written(path)) is not None}
    newest_first = sorted(written, key=written.__getitem__, reverse=True)
    for directory in newest_first[_KEPT_TRAININGS:]:
        if now - written[directory] > _HOURS * 3600:
            logger.info("removing the checkpoints of an abandoned training: %s", directory)
            tf.io.gfile.rmtree(directory)


def _last_written(directory: str) -> float | None:
    """Returns the time at which the newest checkpoint was written, in seconds since the epoch.

    The result is None if there is no checkpoint.
    """
    try:
        return tf.io.gfile.stat(os.path.join(directory, "newest", "checkpoint")).mtime_nsec / 1e9
    except tf.errors.NotFoundError:
        return None
