"""Removes checkpoints of trainings that were interrupted and never resumed."""

import logging
import os
import time

import tensorflow as tf

logger = logging.getLogger(__name__)

# The checkpoints of this number of interrupted trainings, the newest, are never removed.
_KEPT_TRAININGS = 3
# A training whose last checkpoint is older than this number of hours counts as abandoned.
_HOURS = 24


def remove_abandoned(root: str, current: str, *, now: float | None = None) -> None:
    """Removes the checkpoints of abandoned trainings of a pipeline.

    A training removes its checkpoints when it ends. If a training is interrupted, and its settings
    or data change before it is resumed, only this function removes its checkpoints.

    Args:
      root: the directory of the checkpoints of all trainings, on this machine or in a bucket.
      current: the directory of the training that is about to begin, which is not removed.
      now: the time, in seconds since the epoch.
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
    """Returns the time of the newest checkpoint, in seconds since the epoch, or None."""
    try:
        return tf.io.gfile.stat(os.path.join(directory, "newest", "checkpoint")).mtime_nsec / 1e9
    except tf.errors.NotFoundError:
        return None
