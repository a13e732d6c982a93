"""Reserves a directory for the checkpoints of a training.

Without a reservation, simultaneous runs with the same inputs would use the same directory, and the
run that ends first would remove the checkpoints of the other run. To reserve a directory, a run
takes a lease of the directory. If a different run already has the lease, the new run uses another
directory, whose name has a number at the end, such as `NAME-1`. A killed run may have left its
checkpoints in a numbered directory, so a run that resumes a training looks for checkpoints in
`NAME`, `NAME-1`, `NAME-2` and so on.
"""

import contextlib
import dataclasses
import os
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from common import termination
from common.lease import DEFAULT_TIMING, Lease, Timing, take_lease
from common.notice import print_notice
from trainer.training.checkpoints import has_checkpoint
from trainer.training.strategy import broadcast_from_chief, worker_index

_LEASE = "lease"
_MOST_RUNS = 100  # the largest number of simultaneous runs with the same inputs


@dataclasses.dataclass(frozen=True)
class CheckpointDirectory:
    """The reserved directory for the checkpoints of a training.

    Attributes:
      path: the path of the directory, which is the same on all workers.
      lease: the lease of the directory if this worker is the chief; None on all other workers.
    """

    path: str
    lease: Lease | None


@contextlib.contextmanager
def lease_directory(
    preferred: str, strategy: tf.distribute.Strategy, *, timing: Timing = DEFAULT_TIMING
) -> Iterator[CheckpointDirectory]:
    """A context in which this run holds the lease of a directory for its checkpoints.

    Args:
      preferred: the path that `trainer.training.checkpoints.checkpoint_directory` returned. If a
        different run has leased the directory `preferred`, this run leases a directory whose path
        is `preferred` with a number at the end, such as `preferred-1`.
      strategy: the strategy of the training. The chief takes the lease, and tells the other workers
        the number of the directory, so that all workers use the same directory.
      timing: how often a lease in a bucket is renewed, and when it expires; see `common.lease`.
    """
    number, lease = 0, None
    if worker_index(strategy)[0] == 0:
        number, lease = _take(preferred, timing)
    (shared,) = broadcast_from_chief(strategy, [np.array(number, np.float32)])
    path = _name_directory(preferred, round(float(shared)))
    try:
        # The lease is released even after Ctrl-C, so that the next run does not have to wait until
        # a lease in a bucket expires.
        with termination.call_before_end(lease.release) if lease else contextlib.nullcontext():
            yield CheckpointDirectory(path, lease)
    finally:
        if lease:
            lease.release()
            if "://" not in path:
                # `rmdir` removes the directory if it is empty. If the directory contains
                # checkpoints or the lease of a different run, `rmdir` raises OSError, and the
                # directory remains.
                with contextlib.suppress(OSError):
                    os.rmdir(path)


def _take(preferred: str, timing: Timing) -> tuple[int, Lease]:
    """Takes the lease of a directory that no other run has leased.

    Returns the number in the directory's name, and the lease. `_take` tries directories with
    checkpoints before directories without checkpoints, so that this run can resume from the
    checkpoints of a killed run.
    """
    existing = _list_existing_numbers(preferred)
    existing.sort(key=lambda number: not has_checkpoint(_name_directory(preferred, number)))
    unused = (number for number in range(_MOST_RUNS) if number not in existing)
    for number in (*existing, *unused):
        path = _name_directory(preferred, number)
        tf.io.gfile.makedirs(path)
        lease = take_lease(f"{path}/{_LEASE}", timing=timing)
        if lease:
            return number, lease
        print_notice(
            f"{path}: another run trains with the same inputs, and has its checkpoints there; this "
            "run uses another directory"
        )
    raise RuntimeError(
        f"{preferred}: {_MOST_RUNS} runs with the same inputs are training; wait until one ends"
    )


def _list_existing_numbers(preferred: str) -> list[int]:
    """Returns the numbers of the existing directories for the checkpoints of this training.

    The directory `preferred` has the number 0, and `preferred-1` has the number 1. To save requests
    to a bucket, the function lists the parent directory, instead of looking for each directory.
    """
    parent, _ = os.path.split(preferred)
    if not tf.io.gfile.isdir(parent):
        return []
    names = {name.rstrip("/") for name in tf.io.gfile.listdir(parent)}
    return [
        n for n in range(_MOST_RUNS) if os.path.basename(_name_directory(preferred, n)) in names
    ]


def _name_directory(preferred: str, number: int) -> str:
    return f"{preferred}-{number}" if number else preferred
