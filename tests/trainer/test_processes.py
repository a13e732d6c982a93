"""Tests that the trained weights do not depend on devices, workers and interruptions."""

import json
import random
import re
import signal
import socket
import time

import numpy as np
import pytest

from common.errors import InputError
from tests.trainer.small_training import write_images
from tests.trainer.training_process import TrainingProcess
from trainer.training.strategy import make_strategy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_backbone):
    folder = tmp_path_factory.mktemp("strategies")
    write_images(folder)
    (folder / "backbone").symlink_to(tiny_backbone)
    return folder


def start(folder, *names, **options):
    process = TrainingProcess(folder, *names, **options)
    process.start()
    return process


def assert_succeeded(*processes):
    for process in processes:
        status, errors = process.wait()
        assert status == 0, errors


@pytest.fixture(scope="module")
def single(folder):
    """Trains on one device and on two; returns losses and weights of the training on one device."""
    names = ("single", "mirrored", "scaled", "mixed", "mixed-mirrored")
    assert_succeeded(start(folder, *names, devices=2))
    return np.load(folder / "single-0.npz")


def assert_same(one, other):
    np.testing.assert_allclose(one["losses"], other["losses"], atol=1e-4)
    np.testing.assert_allclose(one["weights"], other["weights"], atol=1e-3)


def test_a_single_process_learns(single):
    assert single["losses"][-1] < 0.7 * single["losses"][0]


def test_two_devices(single, folder):
    assert_same(single, np.load(folder / "mirrored-0.npz"))


def test_two_devices_with_a_scaled_loss(single, folder):
    assert_same(single, np.load(folder / "scaled-0.npz"))


def test_two_devices_and_parts_of_mixed_batches(single, folder):
    mixed = np.load(folder / "mixed-0.npz")
    assert_same(mixed, np.load(folder / "mixed-mirrored-0.npz"))
    assert np.abs(mixed["losses"] - single["losses"]).max() > 0.01


def test_two_workers(single, folder):
    """Trains with two processes, whose TF_CONFIG has the same form as on Vertex AI.

    The test starts both processes three times. The first time, the test kills both processes. The
    second time, the test sends SIGTERM to one process, and both processes end. The third time, both
    processes finish the training.
    """
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for listening in sockets:
        listening.close()

    def configuration(kind):
        cluster = {"chief": addresses[:1], "worker": addresses[1:]}
        return json.dumps({"cluster": cluster, "task": {"type": kind, "index": 0}})

    def start_workers(**more):
        return [
            start(folder, "auto", TF_CONFIG=configuration(kind), **more)
            for kind in ("chief", "worker")
        ]

    checkpoints = folder / "checkpoints-auto"
    chief, worker = start_workers(SECONDS_A_STEP="0.2")
    kill(chief, checkpoints, 0.1)
    worker.kill()
    worker.wait()
    killed_after = newest_step(checkpoints)

    workers = start_workers(SECONDS_A_STEP="0.2")
    wait_for(lambda: newest_step(checkpoints) > killed_after, workers[1])
    workers[1].terminate()
    for worker in workers:
        status, errors = worker.wait()
        assert status == 1
        assert f"ended by a signal after step {newest_step(checkpoints)} of 12" in errors

    assert_succeeded(*start_workers())
    for index in range(2):
        worker = np.load(folder / f"auto-{index}.npz")
        assert_same(single, worker)
        assert worker["of_worker"] == 5  # the chief has sent the number 5 to each process
    assert {path.name for path in checkpoints.iterdir()} <= {"newest", "best"}


def wait_for(condition, training):
    """Waits until `condition` returns True, or until `training` ends."""
    while training.is_alive() and not condition():
        time.sleep(0.01)


def newest_step(checkpoints):
    text = (checkpoints / "newest" / "checkpoint").read_text()
    return int(re.search(r"model_checkpoint_path: \"step-(\d+)", text).group(1))


def kill(training, checkpoints, seconds):
    """Kills a training process `seconds` after it has written its next checkpoint."""

    def newest():
        return set(checkpoints.glob("newest/step-*.index"))

    before = newest()
    wait_for(lambda: not newest() <= before, training)
    time.sleep(seconds)
    training.kill()
    assert training.wait()[0] == -signal.SIGKILL


def test_a_training_that_is_killed_ends_with_the_same_weights(single, folder):
    """The test kills the training before a checkpoint is complete, and again at a random moment."""
    checkpoints = folder / "checkpoints-survivor"
    status, errors = start(folder, "survivor", KILLED_IN_SAVE="4").wait()
    assert status == -signal.SIGKILL, errors
    assert (checkpoints / "newest" / "step-4.index").exists()
    assert newest_step(checkpoints) < 4
    moment = random.uniform(0, 0.5)
    # if the test fails, pytest shows the time of the kill
    print(f"killed {moment:.3f} s after a checkpoint")
    kill(start(folder, "survivor", SECONDS_A_STEP="0.2"), checkpoints, moment)
    assert_succeeded(start(folder, "survivor"))
    survivor = np.load(folder / "survivor-0.npz")
    np.testing.assert_array_equal(survivor["weights"], single["weights"])
    np.testing.assert_array_equal(survivor["losses"], single["losses"])


def test_missing_devices_are_refused(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(InputError, match="TF_CONFIG is not set"):
        make_strategy("multiworker")
    with pytest.raises(InputError, match="no TPU can be reached"):
        make_strategy("tpu")
