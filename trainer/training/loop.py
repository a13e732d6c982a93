"""The training loop: steps, validation, checkpoints, and what is reported of them."""

import logging
import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from trainer.input.dataset import TrainingData
from trainer.training.checkpoints import Checkpoints
from trainer.training.history import History
from trainer.training.hyperparameters import Hyperparameters
from trainer.training.optimizer import Schedule
from trainer.training.preemption import Preemption, noticed
from trainer.training.profiler import Profile
from trainer.training.progress import Pace, Progress, report, report_resumed
from trainer.training.strategy import input_options, wait_for_all, worker_of
from trainer.training.train_step import Result, Stepper

logger = logging.getLogger(__name__)

_INTERVAL = 0.5  # seconds between two looks at results, each of which waits for the device
_OVERFLOWS = 20  # in a row, each of which halves the loss's scale: it began at 2^15


class NonFiniteError(Exception):
    """The loss, or the gradient, is no number any more; the message says at which step."""


class Loop:
    """A training from its first step, or from its newest checkpoint, to its end."""

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
          stepper: does the steps.
          checkpoints: of this training.
          train: the training split.
          validation: batches of the validation split.
          schedule: what the stepper's optimizer follows.
          hyperparameters: length, and what is kept.
          strategy: the stepper's.
          log_dir: of the ModelRun artifact.
        """
        self._stepper = stepper
        self._checkpoints = checkpoints
        self._train = train
        self._strategy = strategy
        self._worker, self._workers = worker_of(strategy)
        self._hyperparameters = hyperparameters
        self._schedule = schedule
        # Each worker goes through all of it.
        self._input_options = input_options(strategy)
        self._validation = strategy.distribute_datasets_from_function(
            lambda _: validation, self._input_options
        )
        self._total = hyperparameters.total_steps(train.examples)
        self._per_epoch = min(hyperparameters.steps_per_epoch(train.examples), self._total)
        notes = checkpoints.restore()
        self._step = notes.get("step", 0)
        self._best = notes.get("best")
        self._stale = notes.get("stale", 0)
        self._sums = notes.get("sums", [0.0, 0.0])  # of loss and accuracy in this epoch
        self._history = History(log_dir, self._total, notes.get("history", {}))
        self._log_dir = log_dir
        self._overflows = 0  # steps that were left out, since the last that was not
        self._pending: list[Result] = []
        self._before: Result | None = None
        self._first = self._step + 1  # which traces the graph, and says nothing of the others
        self._seconds_a_step: float | None = None
        self._looked = time.monotonic()
        if self._step:
            report_resumed(self._step)

    def run(self) -> History:
        """Trains.

        Raises:
          NonFiniteError: the loss is no number any more.
          PreemptedError: the process was asked to end; the training was saved.
          KeyboardInterrupt: likewise, by Ctrl-C.
        """
        hyperparameters = self._hyperparameters
        parts = self._parts()
        with noticed() as preemption, Profile(hyperparameters.profile, self._log_dir) as profile:
            while self._step < self._total and not self._is_over():
                profile.before(self._step + 1)
                batch = [next(parts) for _ in range(hyperparameters.accumulation)]
                result = self._stepper.step(batch, preempted=preemption.is_near)
                self._pending.append(result)
                self._step += 1
                ends_epoch = self._step % self._per_epoch == 0 or self._step == self._total
                if ends_epoch:
                    self._end_epoch()
                elif self._step == self._first or time.monotonic() - self._looked > _INTERVAL:
                    self._look()
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
        """Whether to end now, which all workers have to do after the same step.

        Several workers look at the step before: to look at this one would wait for it, each time.
        """
        if self._workers == 1:
            return preemption.is_near
        before, self._before = self._before, result
        return before is not None and float(before.preempted) > 0

    def _is_over(self) -> bool:
        patience = self._hyperparameters.early_stopping
        return patience is not None and self._stale >= patience

    def _look(self) -> None:
        """Takes in the results that there are, and reports the last of them."""
        if not self._pending:
            return
        first = self._step - len(self._pending) + 1
        for step, result in enumerate(self._pending, first):
            loss, accuracy, norm = (
                float(x) for x in (result.loss, result.accuracy, result.gradient_norm)
            )
            self._check_finite(step, loss, norm)
            self._sums[0] += loss
            self._sums[1] += accuracy
            metrics = {"loss": loss, "accuracy": accuracy}
            more = {"learning_rate": float(self._schedule(step - 1))}
            if math.isfinite(norm):
                more["gradient_norm"] = norm
            self._history.add_step(step, metrics | more)
        now = time.monotonic()
        if first > self._first:
            self._seconds_a_step = (now - self._looked) / len(self._pending)
        self._looked = now
        self._pending = []
        if pace := self._pace():
            self._history.add_speed(self._step, pace.images_per_second)
        self._report(metrics, logging.DEBUG)

    def _check_finite(self, step: int, loss: float, norm: float) -> None:
        self._overflows = 0 if math.isfinite(norm) else self._overflows + 1
        allowed = _OVERFLOWS if self._stepper.leaves_out_overflows else 0
        if not math.isfinite(loss) or self._overflows > allowed:
            raise NonFiniteError(
                f"the {'gradient' if math.isfinite(loss) else 'loss'} is not finite at step "
                f"{step}; lower --learning-rate, or clip gradients (train.clip_norm)"
            )
        if self._overflows:
            logger.info("step %d left out: its gradients overflow float16", step)

    def _pace(self) -> Pace | None:
        if self._seconds_a_step is None:
            return None
        return Pace(
            images_per_second=self._hyperparameters.batch_size / self._seconds_a_step,
            seconds_left=self._seconds_a_step * (self._total - self._step),
        )

    def _report(self, metrics: Mapping[str, float], level: int) -> None:
        report(
            Progress(
                step=self._step,
                total_steps=self._total,
                epoch=-(-self._step // self._per_epoch),
                metrics=metrics,
                pace=self._pace(),
            ),
            level,
        )

    def _end_epoch(self) -> None:
        self._look()
        steps = (self._step - 1) % self._per_epoch + 1
        metrics = {"loss": self._sums[0] / steps, "accuracy": self._sums[1] / steps}
        self._sums = [0.0, 0.0]
        metrics |= self._validate()
        self._history.add_epoch(self._step, metrics)
        self._report(metrics, logging.INFO)
        self._looked = time.monotonic()  # validation is no part of the speed

    def _validate(self) -> dict[str, float]:
        averaged = self._hyperparameters.ema is not None
        if averaged:
            self._stepper.swap_averages()
        sums = sum(self._stepper.test(batch) for batch in self._validation)
        loss, right, count = (float(x) for x in sums)
        metrics = {"val_loss": loss / count, "val_accuracy": right / count}
        # The more accurate, and of the equally accurate the surer.
        score = [metrics["val_accuracy"], -metrics["val_loss"]]
        if self._best is None or score > self._best:
            self._best, self._stale = score, 0
            if self._hyperparameters.keeps_best:
                self._checkpoints.save_best(self._step)
        else:
            self._stale += 1
        if averaged:
            self._stepper.swap_averages()
        return metrics

    def _save(self) -> None:
        self._look()  # raises rather than save what is no number
        self._checkpoints.save(
            self._step,
            {
                "step": self._step,
                "best": self._best,
                "stale": self._stale,
                "sums": self._sums,
                "history": self._history.values,
            },
        )
        self._looked = time.monotonic()
