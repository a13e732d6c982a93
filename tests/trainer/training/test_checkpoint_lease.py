"""Tests of the checkpoint directories of two runs with the same inputs, and of a killed run."""

import os
import subprocess
import sys

import pytest
import tensorflow as tf

from common.errors import InputError
from common.lease import Timing
from trainer.training.checkpoint_lease import lease_directory
from trainer.training.checkpoints import Checkpoints

ONE = tf.distribute.get_strategy()
QUICK = Timing(renewal=0.1, expiry=0.4, settle=0.05)


def checkpoints(directory):
    weight = tf.Variable(0.0)
    return weight, Checkpoints(directory.path, [weight], [weight], kept=1, lease=directory.lease)


def test_two_runs_with_the_same_inputs_have_separate_checkpoints(tmp_path, caplog):
    preferred = str(tmp_path / "checkpoints" / "abc")
    with lease_directory(preferred, ONE) as first:
        _, saved = checkpoints(first)
        saved.save(1, {"run": "first"})
        with lease_directory(preferred, ONE) as second:
            assert (first.path, second.path) == (preferred, f"{preferred}-1")
            _, other = checkpoints(second)
            assert other.restore() == {}
            other.save(2, {"run": "second"})
            other.remove()
        assert f"{preferred}: another run trains with the same inputs" in caplog.text
        assert checkpoints(first)[1].restore() == {"run": "first"}
        saved.remove()
    assert not os.listdir(tmp_path / "checkpoints")


def test_an_interrupted_training_is_found_again(tmp_path):
    preferred = str(tmp_path / "abc")
    with pytest.raises(KeyboardInterrupt), lease_directory(preferred, ONE) as directory:
        checkpoints(directory)[1].save(1, {"step": 1})
        raise KeyboardInterrupt
    with lease_directory(preferred, ONE) as directory:
        assert directory.path == preferred
        assert checkpoints(directory)[1].restore() == {"step": 1}


KILLED = """
import os, signal, sys
import tensorflow as tf
from tests.trainer.training.test_checkpoint_lease import ONE, checkpoints
from trainer.training.checkpoint_lease import lease_directory
with lease_directory(sys.argv[1], ONE) as first, lease_directory(sys.argv[1], ONE) as second:
    checkpoints(second)[1].save(3, {"run": "second"})
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_is_continued_first(tmp_path, project):
    """Two runs were killed, and only the second run had saved a checkpoint. The next run must
    continue from this checkpoint."""
    preferred = str(tmp_path / "abc")
    killed = subprocess.run([sys.executable, "-c", KILLED, preferred], cwd=project, check=False)
    assert killed.returncode == -9
    with lease_directory(preferred, ONE) as directory:
        assert directory.path == f"{preferred}-1"
        assert checkpoints(directory)[1].restore() == {"run": "second"}
        with lease_directory(preferred, ONE) as other:
            assert other.path == preferred


def test_a_directory_that_was_taken_over_is_left_alone(tmp_path, monkeypatch):
    """If the machine of a run is paused too long, the run's lease in a bucket expires, and another
    run takes over the lease."""
    monkeypatch.setattr("common.lease._DiskLease.take", lambda path: _bucket_lease(str(path)))
    with lease_directory(str(tmp_path / "abc"), ONE) as directory:
        _, saved = checkpoints(directory)
        saved.save(1, {"run": "ours"})
        (tmp_path / "abc" / "lease").write_text('{"owner": "machine b"}')
        directory.lease._thread.join(10)
        for end in (saved.remove, lambda: saved.save(2, {"run": "theirs"})):
            with pytest.raises(InputError, match="machine b took over this lease"):
                end()
    assert (tmp_path / "abc" / "lease").exists()
    assert (tmp_path / "abc" / "newest" / "step-1.index").exists()


def _bucket_lease(path):
    from common.lease import _BucketLease

    return _BucketLease.take(path, QUICK)
