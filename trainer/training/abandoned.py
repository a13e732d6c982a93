"""Checkpoints of trainings that were interrupted and never resumed."""

import logging
import os
import time

import tensorflow as tf

logger = logging.getLogger(__name__)

_MOST = 3  # trainings whose checkpoints are kept, beside the present one
_HOURS = 24  # since the last checkpoint, for which another run may still be at it


def remove_abandoned(root: str, present: str, *, now: float | None = None) -> None:
    """Removes the checkpoints of all but a few trainings of a pipeline.

    A training removes its checkpoints when it ends. Those of one that was interrupted, and whose
    settings or data were then changed, would lie there for ever.

    Args:
      root: the directory of the checkpoints of all trainings, on this machine or in a bucket.
      present: the directory of the training that is about to begin, which is not touched.
      now: the time, in seconds since the epoch.
    """
    if not tf.io.gfile.isdir(root):
        return
    now = time.time() if now is None else now
    names = [name.rstrip("/") for name in tf.io.gfile.listdir(root)]
    others = [os.path.join(root, name) for name in names if name != os.path.basename(present)]
    written = {path: when for path in others if (when := _last_written(path)) is not None}
    newest_first = sorted(written, key=written.__getitem__, reverse=True)
    for directory in newest_first[_MOST:]:
        if now - written[directory] > _HOURS * 3600:
            logger.info("removing the checkpoints of an abandoned training: %s", directory)
            tf.io.gfile.rmtree(directory)


def _last_written(directory: str) -> float | None:
    """When the newest checkpoint was written, in seconds since the epoch; None without one."""
    try:
        return tf.io.gfile.stat(os.path.join(directory, "newest", "checkpoint")).mtime_nsec / 1e9
    except tf.errors.NotFoundError:
        return None
