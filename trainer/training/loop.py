"""The training loop: trains a model by gradient descent."""

import dataclasses
import itertools
import time
from collections.abc import Iterator
from typing import Any, NoReturn

import keras
import tensorflow as tf

from common.errors import InputError
from common.lease import Lease
from trainer.input.dataset import TrainingData
from trainer.training.checkpoints import Checkpoints
from trainer.training.forecast import Forecaster
from trainer.training.history import History
from trainer.training.hyperparameters import Hyperparameters
from trainer.training.losses import balanced_class_weights
from trainer.training.metrics import StepMetrics
from trainer.training.optimizer import Schedule
from trainer.training.preemption import Preemption, catch_termination_signals
from trainer.training.profiler import Profile
from trainer.training.progress import report_resumed
from trainer.training.run_label import RunLabel
from trainer.training.strategy import (
    any_worker,
    describe_devices,
    input_options,
    is_on_cpu,
    wait_for_all,
    worker_index,
)
from trainer.training.train_step import Result, Stepper
from trainer.training.validation import Validation

# A checkpoint is saved at the end of an epoch only if the last checkpoint is at least
# `SECONDS_BETWEEN_CHECKPOINTS` seconds old.
SECONDS_BETWEEN_CHECKPOINTS = 30.0


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A trained model.

    Attributes:
      model: the model, with the weights to export.
      history: the curves of loss, accuracy and other metrics.
      checkpoints: the checkpoints of the training. The caller must remove the checkpoints after the
        export of the model.
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
    lease: Lease | None = None,
    label: RunLabel = RunLabel(),  # noqa: B008 (the default is immutable)
) -> Fitted:
    """Trains `model`, and writes `history.json`.

    If there is a checkpoint, the training resumes from the newest checkpoint.

    Args:
      model: a model that returns logits, created in the scope of `strategy`.
      train: the training split.
      validation: batches of the validation split.
      hyperparameters: the hyperparameters of the training.
      strategy: the devices to train on.
      checkpoints: the directory of this training's checkpoints.
      log_dir: the directory of the ModelRun artifact.
      lease: the lease of the directory `checkpoints`; None if no other run uses the directory.
      label: the name of the training in TensorBoard.

    Raises:
      InputError: the batch is larger than the training split, or cannot be divided among the
        devices; the options do not suit the model; or a checkpoint cannot be read or written.
      NonFiniteError: the loss is not finite.
      PreemptedError: this process, or a different worker, received SIGTERM; the training was saved.
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
        weights = balanced_class_weights(train.class_counts)
    stepper = Stepper(model, schedule, hyperparameters, class_weights=weights, strategy=strategy)
    worker, workers = worker_index(strategy)
    saved = Checkpoints(
        checkpoints,
        stepper.variables,
        [variable.value for variable in model.variables],
        kept=hyperparameters.checkpoints_kept,
        writes=worker == 0,
        lease=lease,
        # Several workers must save at the same step, so they do not save in the background.
        in_background=workers == 1,
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
        label=label,
    )
    return Fitted(model, loop.run(), saved)


def _check_batch(hyperparameters: Hyperparameters, examples: int, replicas: int) -> None:
    if hyperparameters.batch_size > examples:
        raise InputError(
            f"--batch-size {hyperparameters.batch_size}: found {examples} training images; "
            f"expected at most {examples}"
        )
    parts = replicas * hyperparameters.accumulation
    if hyperparameters.batch_size % parts:
        raise InputError(
            f"--batch-size {hyperparameters.batch_size}: expected a multiple of {parts}, which is "
            f"{replicas} devices times train.accumulation {hyperparameters.accumulation}"
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
        label: RunLabel = RunLabel(),  # noqa: B008 (the default is immutable)
    ) -> None:
        """
        Args:
          stepper: the Stepper that computes the training steps.
          checkpoints: the checkpoints of this training.
          train: the training split.
          validation: batches of the validation split.
          schedule: the learning-rate schedule of the stepper's optimizer.
          hyperparameters: the hyperparameters of the training.
          strategy: the distribution strategy of the stepper.
          log_dir: the directory of the ModelRun artifact.
          label: the name of the training in TensorBoard.
        """
        self._stepper = stepper
        self._checkpoints = checkpoints
        self._train = train
        self._strategy = strategy
        self._worker, self._workers = worker_index(strategy)
        self._hyperparameters = hyperparameters
        self._total = hyperparameters.total_steps(train.examples)
        self._per_epoch = min(hyperparameters.steps_per_epoch(train.examples), self._total)
        self._before: Result | None = None
        self._saved = time.monotonic()
        notes = checkpoints.restore()
        self._step = notes.get("step", 0)
        self._history = History(log_dir, self._total, notes.get("history", {}), label)
        self._metrics = StepMetrics(
            self._history,
            schedule,
            batch_size=hyperparameters.batch_size,
            total=self._total,
            per_epoch=self._per_epoch,
            begun=self._step,
            sums=notes.get("sums", [0.0, 0.0]),
            skips_overflows=stepper.skips_overflows,
            forecaster=Forecaster(
                tune=train.tune,
                examples=train.examples,
                devices=describe_devices(strategy),
                is_on_cpu=is_on_cpu(),
            ),
        )
        self._input_options = input_options(strategy)
        batches = strategy.distribute_datasets_from_function(
            lambda _: validation, self._input_options
        )
        if train.tune == "head" and train.is_small:
            # The batches are kept in memory, because starting the dataset again for each validation
            # takes several times as long as the validation of a small number of features.
            batches = list(batches)
        self._validation = Validation(
            stepper,
            checkpoints,
            batches,
            hyperparameters,
            best=notes.get("best"),
            stale=notes.get("stale", 0),
        )
        self._owes_validation = notes.get("owes_validation", False)
        if self._step:
            report_resumed(self._step)

    def run(self) -> History:
        """Trains until the last step, or until early stopping.

        Raises:
          NonFiniteError: the loss is not finite.
          PreemptedError: this process, or a different worker, received SIGTERM; the training was
            saved.
          KeyboardInterrupt: Ctrl-C was pressed; the training was saved.
        """
        hyperparameters = self._hyperparameters
        parts = self._parts()
        with (
            catch_termination_signals() as preemption,
            Profile(hyperparameters.profile, self._history.summaries) as profile,
            self._checkpoints,
        ):
            if self._owes_validation:
                self._end_epoch(preemption)
                if self._owes_validation:
                    self._end_preempted(preemption)
                self._save()
            while self._step < self._total and not self._validation.stops_training:
                profile.before_step(self._step + 1)
                batch = [next(parts) for _ in range(hyperparameters.accumulation)]
                result = self._stepper.step(batch, preempted=preemption.is_near)
                self._metrics.add(result)
                self._step += 1
                preemption.has_unsaved_steps = True
                ends_epoch = self._step % self._per_epoch == 0 or self._step == self._total
                if ends_epoch:
                    self._end_epoch(preemption)
                elif self._metrics.is_due(self._step):
                    self._metrics.read(self._step)
                preempted = self._all_preempted(preemption, result)
                if preempted or self._is_checkpoint_due(ends_epoch):
                    self._save()
                    # If the background thread writes the checkpoint, the checkpoint is not complete
                    # yet, so `has_unsaved_steps` remains True.
                    preemption.has_unsaved_steps = self._checkpoints.in_background
                    # A signal may have arrived since `_all_preempted` was called, because saving a
                    # checkpoint takes time.
                    preempted |= self._workers == 1 and preemption.is_near
                if preempted and self._step < self._total:
                    self._end_preempted(preemption)
            self._checkpoints.finish(self._step)
            preemption.has_unsaved_steps = False
            # The loop over the steps does not react to a signal that arrives during or after the
            # last step, so the signal is handled here.
            if preemption.is_near and self._workers == 1:
                self._end_preempted(preemption)
        if hyperparameters.keeps_best:
            # All workers read the best weights from the chief's checkpoint, so all workers wait
            # until the chief has written the checkpoint.
            wait_for_all(self._strategy)
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
        batches = iter(
            self._strategy.distribute_datasets_from_function(lambda _: dataset, self._input_options)
        )
        if self._train.tune != "full" or self._step >= self._total:
            return batches
        # The first batch is both shown in TensorBoard and used for training, so that no second
        # iterator over the dataset is needed.
        first = next(batches)
        images, *_ = self._strategy.experimental_local_results(first[0])
        self._history.add_images(self._step, images[:8])
        return itertools.chain([first], batches)

    def _all_preempted(self, preemption: Preemption, result: Result) -> bool:
        """Returns whether the training must end after this step; all workers get the same result.

        If there are several workers, each worker reads `Result.preempted` of the previous step,
        because reading the result of the current step would wait until the device has computed the
        step.
        """
        if self._workers == 1:
            return preemption.is_near
        before, self._before = self._before, result
        return before is not None and float(before.preempted) > 0

    def _is_checkpoint_due(self, ends_epoch: bool) -> bool:
        """Returns whether to save a checkpoint after this step; all workers get the same result.

        A checkpoint is saved every `checkpoint_steps` steps, after the last step, before an early
        stop, and at the end of an epoch if the last checkpoint is at least 30 seconds old: writing
        a checkpoint may take longer than training an epoch.
        """
        if self._step % self._hyperparameters.checkpoint_steps == 0 or self._step == self._total:
            return True
        if not ends_epoch:
            return False
        is_late = time.monotonic() - self._saved >= SECONDS_BETWEEN_CHECKPOINTS
        return self._validation.stops_training or any_worker(self._strategy, is_late)

    def _end_preempted(self, preemption: Preemption) -> NoReturn:
        self._checkpoints.finish(self._step)
        after = f"step {self._step} of {self._total}"
        goes_on = "and resumes when the same command is given again"
        if self._step == self._total:
            after = "the last step"
            goes_on = "and the model is exported when the same command is given again"
        preemption.end(f"ended by a signal after {after}; the training is saved {goes_on}")

    def _end_epoch(self, preemption: Preemption) -> None:
        """Validates the model after an epoch.

        A single worker abandons the validation if its process receives a signal to end; the next
        run then repeats the validation before it continues the training. Several workers finish the
        validation even after a signal, because all workers must take part in each validation step.
        """

        def is_stopped() -> bool:
            return self._workers == 1 and preemption.is_near

        self._metrics.read(self._step)
        metrics = self._validation.run(self._step, is_stopped)
        self._owes_validation = metrics is None
        if metrics is not None:
            self._metrics.end_epoch(self._step, metrics)
        self._metrics.restart_clock()

    def _save(self) -> None:
        # Reading the metrics raises an error if the loss of a step is not finite, so that no
        # checkpoint contains weights from such a step.
        self._metrics.read(self._step)
        self._checkpoints.save(
            self._step,
            {
                "step": self._step,
                "best": self._validation.best,
                "stale": self._validation.stale,
                "owes_validation": self._owes_validation,
                "sums": self._metrics.sums,
                "history": self._history.values,
            },
        )
        self._saved = time.monotonic()
        self._metrics.restart_clock()
