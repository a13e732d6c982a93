"""Runs a small training in a process that can be killed, or that is one of several workers."""

import json
import multiprocessing
import os
import signal
import time
import uuid
from pathlib import Path

import numpy as np
import tensorflow as tf

from tests.trainer.small_training import Task
from trainer.input.augmentation import Augmentation
from trainer.training.hyperparameters import Hyperparameters
from trainer.training.loop import fit
from trainer.training.strategy import (
    broadcast_from_chief,
    broadcast_from_first_replica,
    make_strategy,
    worker_index,
)
from trainer.training.train_step import Stepper

# Each process is a fork of a server that has already imported TensorFlow, because the import takes
# five seconds.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])

KINDS = {
    "survivor": {"strategy": "single"},
    "scaled": {"strategy": "mirrored", "precision": "mixed_float16"},
    "mixed": {"strategy": "single", "optimizer": "adamw", "weight_decay": 0.1},
}
KINDS["mixed-mirrored"] = KINDS["mixed"] | {"strategy": "mirrored", "accumulation": 2}


def train(folder: Path, name: str) -> None:
    result = folder / name
    kind = KINDS.get(name, {"strategy": name})
    hyperparameters = Hyperparameters(
        epochs=4,
        batch_size=8,
        learning_rate=0.05,
        clip_norm=0.5,
        deterministic=True,
        checkpoint_steps=2,
        ema=0.9,
        **kind,
    )
    mixing = {"mixup": 0.5, "cutmix": 0.5} if name.startswith("mixed") else {}
    task = Task(
        folder,
        hyperparameters,
        tune="full",
        backbone=folder / "backbone",
        augmentation=Augmentation(crop_area=0.5, flip=True, **mixing),
    )
    strategy = make_strategy(hyperparameters.strategy)
    own = np.array([worker_index(strategy)[0] + 5], np.float32)
    (of_worker,) = broadcast_from_chief(strategy, [own])
    check_broadcast(strategy)
    with strategy.scope():
        model = task.make_model()
    fit(
        model,
        task.train,
        task.validation(*worker_index(strategy)),
        hyperparameters=hyperparameters,
        strategy=strategy,
        checkpoints=str(folder / f"checkpoints-{result.name}"),
        log_dir=str(folder / f"log-{result.name}-{worker_index(strategy)[0]}"),
    )
    log = folder / f"log-{result.name}-{worker_index(strategy)[0]}" / "history.json"
    weights = np.concatenate([weight.reshape(-1) for weight in model.get_weights()])
    temporary = result.with_suffix(f".{worker_index(strategy)[0]}")
    losses = losses_of(json.loads(log.read_text()))
    np.savez(temporary.open("wb"), weights=weights, losses=losses, of_worker=of_worker)
    temporary.rename(f"{result}-{worker_index(strategy)[0]}.npz")


def check_broadcast(strategy: tf.distribute.Strategy) -> None:
    """Asserts that each replica receives a bit-identical copy of the first replica's numbers."""
    generator = np.random.default_rng(0)
    sent = generator.normal(size=1000).astype(np.float32) * 10.0 ** generator.integers(
        -36, 38, 1000
    )
    sent = np.append(sent, [-0.0, np.inf, np.finfo(np.float32).tiny]).astype(np.float32)
    counted = np.arange(5)
    is_chief = worker_index(strategy)[0] == 0
    own = [sent, counted] if is_chief else [np.ones_like(sent), np.ones_like(counted)]
    floats, integers = broadcast_from_first_replica(strategy, own)
    assert floats.tobytes() == sent.tobytes()
    assert integers.tolist() == counted.tolist()


def die_in_save(step: int) -> None:
    """Makes TensorFlow kill this process after it has written the files of the checkpoint for
    `step`, and before it writes the checkpoint's name."""
    from tensorflow.python.checkpoint import checkpoint_management

    name = checkpoint_management.update_checkpoint_state_internal

    def name_or_die(*arguments, model_checkpoint_path, **options):
        if model_checkpoint_path.endswith(f"newest/step-{step}"):
            os.kill(os.getpid(), signal.SIGKILL)
        return name(*arguments, model_checkpoint_path=model_checkpoint_path, **options)

    checkpoint_management.update_checkpoint_state_internal = name_or_die


def slow_down(seconds: float) -> None:
    """Makes every step `seconds` longer, so that a test can kill the process between steps."""
    step = Stepper.step

    def slow_step(self, parts, **options):
        time.sleep(seconds)
        return step(self, parts, **options)

    Stepper.step = slow_step


def losses_of(history: dict) -> list[float]:
    """Returns the training losses of all steps, then the validation losses of all epochs."""
    return [r["loss"] for r in history["steps"]] + [r["val_loss"] for r in history["epochs"]]


class TrainingProcess(_CONTEXT.Process):
    """A process that trains a tiny ViT, and writes losses and weights to NAME-WORKER.npz."""

    def __init__(self, folder: Path, *names: str, devices: int = 1, **environment: str) -> None:
        """
        Args:
          folder: the folder that contains the images and the backbone, and to which the process
            writes its results.
          *names: strategies or keys of `KINDS`; the process trains once for each name.
          devices: the number of logical devices.
          **environment: additional environment variables. SECONDS_A_STEP=S makes each step longer
            by S seconds. KILLED_IN_SAVE=N kills the process before the checkpoint of step N is
            complete.
        """
        super().__init__(daemon=True)
        self._folder, self._names, self._devices = folder, names, devices
        self._environment = environment
        self._errors = folder / f"errors-{uuid.uuid4().hex}"

    def run(self) -> None:
        """Trains; multiprocessing calls this method in the new process."""
        os.dup2(os.open(self._errors, os.O_CREAT | os.O_WRONLY), 2)
        os.environ.update(self._environment)
        if self._devices > 1:
            (cpu,) = tf.config.list_physical_devices("CPU")
            several = [tf.config.LogicalDeviceConfiguration()] * self._devices
            tf.config.set_logical_device_configuration(cpu, several)
        tf.config.experimental.enable_op_determinism()
        if step := os.environ.get("KILLED_IN_SAVE"):
            die_in_save(int(step))
        slow_down(float(os.environ.get("SECONDS_A_STEP", "0")))
        for name in self._names:
            train(self._folder, name)

    def wait(self) -> tuple[int | None, str]:
        """Waits for the end of the process, at most 300 s.

        Returns:
          The exit status, which is None if the process is still running, and the text on stderr.
        """
        self.join(300)
        return self.exitcode, self._errors.read_text()
