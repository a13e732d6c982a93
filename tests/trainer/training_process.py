"""Runs a small training in a process that can be killed, or that is one of several workers.

    python -m tests.trainer.training_process FOLDER NAME,… [DEVICES]

trains a tiny ViT on the images in FOLDER once for each name, and writes losses and weights to
NAME-WORKER.npz. A name is a strategy or a key of `KINDS`.
"""

import json
import os
import signal
import sys
import time
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
    """Broadcasts numbers that only the first replica has, and compares their bits."""
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
    """Kills this process after it has written the files of a checkpoint, but not its name."""
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


if __name__ == "__main__":
    folder, names, *devices = sys.argv[1:]
    if devices:
        (cpu,) = tf.config.list_physical_devices("CPU")
        several = [tf.config.LogicalDeviceConfiguration()] * int(devices[0])
        tf.config.set_logical_device_configuration(cpu, several)
    tf.config.experimental.enable_op_determinism()
    if os.environ.get("KILLED_IN_SAVE"):
        die_in_save(int(os.environ["KILLED_IN_SAVE"]))
    slow_down(float(os.environ.get("SECONDS_A_STEP", "0")))
    for name in names.split(","):
        train(Path(folder), name)
