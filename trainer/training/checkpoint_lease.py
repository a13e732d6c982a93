"""Gives each training a directory for checkpoints that no other run uses at the same time. Two runs
with the same inputs would use the same directory, and the run that ends first would remove the
checkpoints of the other run. So each run takes the lease of its directory for checkpoints. If
another run has the lease of this directory, the run uses another directory, with a number in its
name. A run that resumes a killed training looks for checkpoints in these directories too.
"""

import contextlib
import dataclasses
import os
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from common import termination
from common.lease import DEFAULT_TIMING, Lease, Timing, take_lease
from common.notice import notice
from trainer.training.checkpoints import has_checkpoint
from trainer.training.strategy import broadcast_from_chief, worker_index

_LEASE = "lease"
_MOST_RUNS = 100  # largest number of simultaneous runs with the same inputs


@dataclasses.dataclass(frozen=True)
class CheckpointDirectory:
    """The directory of a training's checkpoints.

    Attributes:
      path: the path of the directory; the same on all workers.
      lease: the lease that the chief holds; None on the other workers.
    """

    path: str
    lease: Lease | None


@contextlib.contextmanager
def lease_directory(
    preferred: str, strategy: tf.distribute.Strategy, *, timing: Timing = DEFAULT_TIMING
) -> Iterator[CheckpointDirectory]:
    """A context that holds the lease of a directory for the checkpoints of one training.

    Args:
      preferred: the path that `trainer.training.checkpoints.checkpoint_directory` returned.
      strategy: the strategy of the training. The chief takes the lease, and tells the other workers
        the directory.
      timing: the times of a lease in a bucket; see `common.lease`.
    """
    number, lease = 0, None
    if worker_index(strategy)[0] == 0:
        number, lease = _take(preferred, timing)
    (shared,) = broadcast_from_chief(strategy, [np.array(number, np.float32)])
    path = _numbered(preferred, round(float(shared)))
    try:
        # The lease is also released after Ctrl-C: otherwise the next run would have to wait until
        # the lease of a bucket expires.
        with termination.call_before_end(lease.release) if lease else contextlib.nullcontext():
            yield CheckpointDirectory(path, lease)
    finally:
        if lease:
            lease.release()
            if "://" not in path:
                # The directory may have checkpoints, or the lease of another run.
                with contextlib.suppress(OSError):
                    os.rmdir(path)


def _take(preferred: str, timing: Timing) -> tuple[int, Lease]:
    """Takes the lease of a directory that no other run uses; returns its number and the lease.

    Directories with checkpoints are tried first, since they may belong to killed runs.
    """
    existing = _existing(preferred)
    existing.sort(key=lambda number: not has_checkpoint(_numbered(preferred, number)))
    unused = (number for number in range(_MOST_RUNS) if number not in existing)
    for number in (*existing, *unused):
        path = _numbered(preferred, number)
        tf.io.gfile.makedirs(path)
        lease = take_lease(f"{path}/{_LEASE}", timing=timing)
        if lease:
            return number, lease
        notice(
            f"{path}: another run trains with the same inputs, and has its checkpoints there; this "
            "run uses another directory"
        )
    raise RuntimeError(
        f"{preferred}: {_MOST_RUNS} runs with the same inputs are training; wait for one"
    )


def _existing(preferred: str) -> list[int]:
    """Returns the numbers of the existing directories, with a single request to a bucket."""
    parent, _ = os.path.split(preferred)
    if not tf.io.gfile.isdir(parent):
        return []
    names = {name.rstrip("/") for name in tf.io.gfile.listdir(parent)}
    return [n for n in range(_MOST_RUNS) if os.path.basename(_numbered(preferred, n)) in names]


def _numbered(preferred: str, number: int) -> str:
    return f"{preferred}-{number}" if number else preferred
