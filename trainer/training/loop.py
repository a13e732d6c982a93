"""The training loop: gradient descent from model and data to a trained model."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from common.errors import InputError
from trainer.input.dataset import TrainingData, read_labels
from trainer.training.checkpoints import Checkpoints
from trainer.training.history import History
from trainer.training.hyperparameters import Hyperparameters
from trainer.training.losses import balanced_class_weights
from trainer.training.metrics import StepMetrics
from trainer.training.optimizer import Schedule
from trainer.training.preemption import Preemption, catch_termination_signals
from trainer.training.profiler import Profile
from trainer.training.progress import report_resumed
from trainer.training.strategy import input_options, wait_for_all, worker_index
from trainer.training.train_step import Result, Stepper
from trainer.training.validation import Validation


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A trained model.

    Attributes:
      model: with the weights that are to be exported.
      history: the curves of the training.
      checkpoints: the checkpoints, to be removed once the model is exported.
    """

    model: keras.Model
    history: History
    checkpoints: Checkpoints


def fit(
    model: keras.Model,
    train: TrainingData,
    validation: tf.data.Dataset,
    *,
    hyperparameters: Hyperparameters,
    strategy: tf.distribute.Strategy,
    checkpoints: str,
    log_dir: str,
) -> Fitted:
    """Trains `model`, from its newest checkpoint if there is one, and writes `history.json`.

    Args:
      model: returns logits; created in the scope of `strategy`.
      train: the training split.
      validation: batches of the validation split.
      hyperparameters: set the optimizer, its schedule and the length of the training.
      strategy: the devices to train on.
      checkpoints: the directory of this training's checkpoints.
      log_dir: the directory of the ModelRun artifact.

    Raises:
      InputError: the batch is larger than the training split, or cannot be divided among the
        devices; the options do not fit the model; checkpoints cannot be read or written.
      NonFiniteError: the loss is not finite.
      PreemptedError: the process was asked to end.
    """
    _check_batch(hyperparameters, train.examples, strategy.num_replicas_in_sync)
    schedule = Schedule(
        hyperparameters.learning_rate,
        hyperparameters.warmup(train.examples),
        hyperparameters.total_steps(train.examples),
        hyperparameters.schedule,
        start=hyperparameters.warmup_start,
    )
    weights = None
    if hyperparameters.class_weights:
        labels = read_labels(train.files)
        weights = balanced_class_weights([labels.count(label) for label in range(train.classes)])
    stepper = Stepper(model, schedule, hyperparameters, class_weights=weights, strategy=strategy)
    saved = Checkpoints(
        checkpoints,
        stepper.variables,
        [variable.value for variable in model.variables],
        kept=hyperparameters.checkpoints_kept,
        writes=worker_index(strategy)[0] == 0,
    )
    loop = Loop(
        stepper,
        saved,
        train=train,
        validation=validation,
        schedule=schedule,
        hyperparameters=hyperparameters,
        strategy=strategy,
        log_dir=log_dir,
    )
    return Fitted(model, loop.run(), saved)


def _check_batch(hyperparameters: Hyperparameters, examples: int, replicas: int) -> None:
    if hyperparameters.batch_size > examples:
        raise InputError(
            f"--batch-size {hyperparameters.batch_size}: found {examples} training images; "
            "expected a batch of at most as many"
        )
    parts = replicas * hyperparameters.accumulation
    if hyperparameters.batch_size % parts:
        raise InputError(
            f"--batch-size {hyperparameters.batch_size}: found {replicas} devices and "
            f"train.accumulation {hyperparameters.accumulation}; expected a multiple of {parts}"
        )


class Loop:
    """Runs a training from its first step, or from its newest checkpoint, to its end."""

    def __init__(
        self,
        stepper: Stepper,
        checkpoints: Checkpoints,
        *,
        train: TrainingData,
        validation: tf.data.Dataset,
        schedule: Schedule,
        hyperparameters: Hyperparameters,
        strategy: tf.distribute.Strategy,
        log_dir: str,
    ) -> None:
        """
        Args:
          stepper: computes the training steps.
          checkpoints: of this training.
          train: the training split.
          validation: batches of the validation split.
          schedule: the learning-rate schedule of the stepper's optimizer.
          hyperparameters: set the length of the training and which weights are kept.
          strategy: the strategy of the stepper.
          log_dir: the directory of the ModelRun artifact.
        """
        self._stepper = stepper
        self._checkpoints = checkpoints
        self._train = train
        self._strategy = strategy
        self._worker, self._workers = worker_index(strategy)
        self._hyperparameters = hyperparameters
        self._log_dir = log_dir
        self._total = hyperparameters.total_steps(train.examples)
        self._per_epoch = min(hyperparameters.steps_per_epoch(train.examples), self._total)
        self._before: Result | None = None
        notes = checkpoints.restore()
        self._step = notes.get("step", 0)
        self._history = History(log_dir, self._total, notes.get("history", {}))
        self._metrics = StepMetrics(
            self._history,
            schedule,
            batch_size=hyperparameters.batch_size,
            total=self._total,
            per_epoch=self._per_epoch,
            begun=self._step,
            sums=notes.get("sums", [0.0, 0.0]),
            leaves_out_overflows=stepper.leaves_out_overflows,
        )
        self._input_options = input_options(strategy)
        # Each worker validates on the whole split.
        batches = strategy.distribute_datasets_from_function(
            lambda _: validation, self._input_options
        )
        self._validation = Validation(
            stepper,
            checkpoints,
            batches,
            hyperparameters,
            best=notes.get("best"),
            stale=notes.get("stale", 0),
        )
        if self._step:
            report_resumed(self._step)

    def run(self) -> History:
        """Trains.

        Raises:
          NonFiniteError: the loss is not finite.
          PreemptedError: the process was asked to end; the training was saved.
          KeyboardInterrupt: Ctrl-C was pressed; the training was saved.
        """
        hyperparameters = self._hyperparameters
        parts = self._parts()
        with (
            catch_termination_signals() as preemption,
            Profile(hyperparameters.profile, self._log_dir) as profile,
        ):
            while self._step < self._total and not self._validation.stops_training:
                profile.before(self._step + 1)
                batch = [next(parts) for _ in range(hyperparameters.accumulation)]
                result = self._stepper.step(batch, preempted=preemption.is_near)
                self._metrics.add(result)
                self._step += 1
                ends_epoch = self._step % self._per_epoch == 0 or self._step == self._total
                if ends_epoch:
                    self._end_epoch()
                elif self._metrics.is_due(self._step):
                    self._metrics.read(self._step)
                preempted = self._all_preempted(preemption, result)
                if ends_epoch or self._step % hyperparameters.checkpoint_steps == 0 or preempted:
                    self._save()
                if preempted and self._step < self._total:
                    preemption.end(
                        f"asked to end after step {self._step} of {self._total}; the training is "
                        "saved and goes on when the same command is given again"
                    )
        if preemption.is_wanted and self._workers == 1:  # in the last step, or what followed it
            preemption.end(
                "asked to end after the last step; the training is saved, and exported when the "
                "same command is given again"
            )
        if hyperparameters.keeps_best:
            wait_for_all(self._strategy)  # the others read what the chief has written
            self._checkpoints.restore_best()
        elif hyperparameters.ema is not None:
            self._stepper.swap_averages()
        self._history.write()
        return self._history

    def _parts(self) -> Iterator[Any]:
        hyperparameters = self._hyperparameters
        parts = hyperparameters.accumulation * self._strategy.num_replicas_in_sync
        dataset = self._train.batches(
            hyperparameters.batch_size // parts,
            parts=parts // self._workers,
            start=self._step * hyperparameters.batch_size,
            worker=self._worker,
            workers=self._workers,
        )
        if self._train.tune == "full":
            for images, _ in dataset.take(1):
                self._history.add_images(self._step, images[:8])
        return iter(
            self._strategy.distribute_datasets_from_function(lambda _: dataset, self._input_options)
        )

    def _all_preempted(self, preemption: Preemption, result: Result) -> bool:
        """Returns whether to end now; all workers end after the same step.

        Several workers read the flag of the previous step: reading that of this step would wait
        for the device in every step.
        """
        if self._workers == 1:
            return preemption.is_near
        before, self._before = self._before, result
        return before is not None and float(before.preempted) > 0

    def _end_epoch(self) -> None:
        self._metrics.read(self._step)
        self._metrics.end_epoch(self._step, self._validation.run(self._step))
        self._metrics.restart_clock()

    def _save(self) -> None:
        self._metrics.read(self._step)  # so that weights that are not finite are not saved
        self._checkpoints.save(
            self._step,
            {
                "step": self._step,
                "best": self._validation.best,
                "stale": self._validation.stale,
                "sums": self._metrics.sums,
                "history": self._history.values,
            },
        )
        self._metrics.restart_clock()
