"""Compares the step times of the Trainer's training loop and of a plain `model.fit`."""

import dataclasses
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from benchmarks.training.material import CLASSES, Material
from trainer.input.augmentation import Augmentation
from trainer.training.checkpoints import Checkpoints
from trainer.training.hyperparameters import Hyperparameters
from trainer.training.loop import Loop
from trainer.training.optimizer import Schedule
from trainer.training.train_step import Result, Stepper

# The two training loops alternate: in each turn, one of the loops trains for several steps. The
# first `_SETTLE` steps of a turn are not timed, because their batches may have been prefetched
# during the other loop's turn, which would make the steps look too fast.
_SETTLE = 2


@dataclasses.dataclass(frozen=True)
class Times:
    """The results of `measure_steps`.

    Attributes:
      trainer: seconds per step of the Trainer's loop, one value for each turn.
      bare: seconds per step of `model.fit`, one value for each turn.
      checkpoint: seconds to save a checkpoint.
    """

    trainer: Sequence[float]
    bare: Sequence[float]
    checkpoint: float


def measure_steps(
    material: Material, hyperparameters: Hyperparameters, augmentation: Augmentation, rounds: int
) -> Times:
    """Alternates between the Trainer's loop and `model.fit`, and times the steps of both.

    The Trainer's loop and `model.fit` each have one turn as a warm-up, and then `rounds` timed
    turns. A turn has `hyperparameters.steps` timed steps. The training data are repeated until they
    suffice for all steps, so that no epoch ends during the measurement.
    """
    turn = _SETTLE + hyperparameters.steps
    trained = dataclasses.replace(hyperparameters, steps=(rounds + 1) * turn)
    copies = -(-(trained.steps + 1) * hyperparameters.batch_size // material.images)
    train = material.train(augmentation, copies)
    schedule = Schedule(hyperparameters.learning_rate, 0, trained.steps, "constant")
    bare = _BareLoop(material, hyperparameters)
    stepper = _TakingTurns(
        material.make_model(),
        schedule,
        trained,
        class_weights=None,
        strategy=tf.distribute.get_strategy(),
        steps=hyperparameters.steps,
        other=bare.take_turn,
    )
    weights = [variable.value for variable in stepper.model.variables]
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(
            f"{folder}/checkpoints",
            stepper.variables,
            weights,
            kept=hyperparameters.checkpoints_kept,
        )
        Loop(
            stepper,
            checkpoints,
            train=train,
            validation=material.validation(hyperparameters.batch_size),
            schedule=schedule,
            hyperparameters=trained,
            strategy=tf.distribute.get_strategy(),
            log_dir=f"{folder}/log",
        ).run()
        started = time.perf_counter()
        checkpoints.save(trained.steps + 1, {})
        checkpoint = time.perf_counter() - started
    return Times(stepper.seconds[1:], bare.seconds[1:], checkpoint)


class _TakingTurns(Stepper):
    """A `Stepper` that times its steps, and that runs `model.fit` after every few steps.

    The measured time of a step includes the work of the Trainer's loop until the next step begins.
    """

    def __init__(self, *args: Any, steps: int, other: Callable[[], None], **options: Any) -> None:
        super().__init__(*args, **options)
        self._steps = steps
        self._other = other
        self._done = 0
        self.seconds: list[float] = []

    def step(self, parts: Sequence[Any], *, preempted: bool = False) -> Result:
        result = super().step(parts, preempted=preempted)
        self._done += 1
        if self._done == _SETTLE:
            float(result.loss)  # wait until the GPU or CPU has finished the step
            self._started = time.perf_counter()
        elif self._done == _SETTLE + self._steps:
            float(result.loss)
            self.seconds.append((time.perf_counter() - self._started) / self._steps)
            self._done = 0
            self._other()
        return result


class _BareLoop(keras.callbacks.Callback):
    """Runs `model.fit` on tensors in memory, with the optimizer and the loss of the Trainer."""

    def __init__(self, material: Material, hyperparameters: Hyperparameters) -> None:
        super().__init__()
        self._steps = hyperparameters.steps
        self._batch_size = hyperparameters.batch_size
        self._model = material.make_model()
        self._model.compile(
            optimizer=keras.optimizers.SGD(
                hyperparameters.learning_rate,
                momentum=hyperparameters.momentum,
                global_clipnorm=hyperparameters.clip_norm,
            ),
            loss=keras.losses.CategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=hyperparameters.jit_compile,
        )
        count = (_SETTLE + self._steps) * self._batch_size
        shapes = material.shapes
        self._images = tf.random.uniform([count, shapes.height, shapes.width, 3], -1, 1)
        self._labels = tf.one_hot(tf.range(count) % CLASSES, CLASSES)
        self.seconds: list[float] = []

    def take_turn(self) -> None:
        self._model.fit(
            self._images,
            self._labels,
            batch_size=self._batch_size,
            shuffle=False,
            verbose=0,
            callbacks=[self],
        )

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        if batch == _SETTLE - 1:
            float(logs["loss"])
            self._started = time.perf_counter()
        elif batch == _SETTLE + self._steps - 1:
            float(logs["loss"])
            self.seconds.append((time.perf_counter() - self._started) / self._steps)
