"""Checks the metrics of training steps, averages them over epochs, records and reports them."""

import logging
import math
import time
from collections.abc import Mapping

from common.pace import Pace
from trainer.training.forecast import Forecaster
from trainer.training.history import History
from trainer.training.optimizer import Schedule
from trainer.training.progress import Progress, report
from trainer.training.train_step import Result

logger = logging.getLogger(__name__)

# Results of training steps are read about every `_INTERVAL` seconds, not after every step, because
# each read waits for the device.
_INTERVAL = 0.5
# The training ends with an error if the gradients overflow float16 in more than `_OVERFLOWS`
# consecutive steps. A few overflows at the start of a training are normal, because the loss scale
# starts at 2^15, and the optimizer halves the loss scale after each overflow.
_OVERFLOWS = 20


class NonFiniteError(Exception):
    """The error for a loss or gradient that is not finite.

    The error message contains the number of the step.
    """


class StepMetrics:
    """Collects and reports the metrics of training steps.

    Reading the result of a step waits for the device, so the results of several steps are read
    together.
    """

    def __init__(
        self,
        history: History,
        schedule: Schedule,
        *,
        batch_size: int,
        total: int,
        per_epoch: int,
        begun: int,
        sums: list[float],
        skips_overflows: bool,
        forecaster: Forecaster,
    ) -> None:
        """
        Args:
          history: records the metrics of each step and epoch.
          schedule: the learning-rate schedule.
          batch_size: number of images in each step.
          total: number of steps of the training.
          per_epoch: number of steps in each epoch.
          begun: number of the step from which the training resumes; 0 for a new training.
          sums: the sums of loss and accuracy over the finished steps of the current epoch.
          skips_overflows: whether the optimizer skips steps whose gradients overflow.
          forecaster: estimates the duration of the training from the durations of steps.
        """
        self._history = history
        self._schedule = schedule
        self._forecaster = forecaster
        self._batch_size = batch_size
        self._total = total
        self._per_epoch = per_epoch
        self._allowed_overflows = _OVERFLOWS if skips_overflows else 0
        self._overflows = 0  # number of consecutive steps whose gradients overflowed
        self._first = begun + 1  # the first step is slow, because it traces the graph
        self._pending: list[Result] = []
        self._seconds_a_step: float | None = None
        self._last_read = time.monotonic()
        self.sums = sums

    def add(self, result: Result) -> None:
        """Adds the result of one more step, without waiting for the device."""
        self._pending.append(result)

    def is_due(self, step: int) -> bool:
        """Returns whether to call `read` after step `step`."""
        return step == self._first or time.monotonic() - self._last_read > _INTERVAL

    def read(self, step: int) -> None:
        """Reads the results of all steps up to `step`, and reports the result of `step`.

        Raises:
          NonFiniteError: a loss is not finite, or the gradients of too many consecutive steps are
            not finite.
        """
        if not self._pending:
            return
        first = step - len(self._pending) + 1
        for number, result in enumerate(self._pending, first):
            metrics = self._read_one(number, result)
        now = time.monotonic()
        if first > self._first:
            seconds, steps = now - self._last_read, len(self._pending)
            self._seconds_a_step = seconds / steps
            self._forecaster.add(
                steps, seconds, batch_size=self._batch_size, steps_left=self._total - step
            )
        self._last_read = now
        self._pending = []
        if pace := self._pace(step):
            self._history.add_speed(step, pace.images_per_second)
        self._report(step, metrics, logging.DEBUG)

    def end_epoch(self, step: int, validation: Mapping[str, float]) -> None:
        """Reports the training and validation metrics of the epoch that ends with `step`."""
        steps = (step - 1) % self._per_epoch + 1
        metrics = {"loss": self.sums[0] / steps, "accuracy": self.sums[1] / steps, **validation}
        self.sums = [0.0, 0.0]
        self._history.add_epoch(step, metrics)
        self._report(step, metrics, logging.INFO)

    def restart_clock(self) -> None:
        """Restarts the clock that measures the speed of the training steps.

        Call this method after a validation or a checkpoint, so that the measured time does not
        include the validation or the checkpoint.
        """
        self._last_read = time.monotonic()

    def _read_one(self, step: int, result: Result) -> dict[str, float]:
        loss, accuracy, norm = map(float, (result.loss, result.accuracy, result.gradient_norm))
        self._check_finite(step, loss, norm)
        self.sums[0] += loss
        self.sums[1] += accuracy
        metrics = {"loss": loss, "accuracy": accuracy}
        more = {"learning_rate": float(self._schedule(step - 1))}
        if math.isfinite(norm):
            more["gradient_norm"] = norm
        self._history.add_step(step, metrics | more)
        return metrics

    def _check_finite(self, step: int, loss: float, norm: float) -> None:
        self._overflows = 0 if math.isfinite(norm) else self._overflows + 1
        if not math.isfinite(loss) or self._overflows > self._allowed_overflows:
            raise NonFiniteError(
                f"the {'gradient' if math.isfinite(loss) else 'loss'} is not finite at step "
                f"{step}; lower --learning-rate, or clip gradients (train.clip_norm)"
            )
        if self._overflows:
            logger.info("step %d is skipped: its gradients overflow float16", step)

    def _pace(self, step: int) -> Pace | None:
        if self._seconds_a_step is None:
            return None
        return Pace(
            images_per_second=self._batch_size / self._seconds_a_step,
            seconds_left=self._seconds_a_step * (self._total - step),
        )

    def _report(self, step: int, metrics: Mapping[str, float], level: int) -> None:
        report(
            Progress(
                step=step,
                total_steps=self._total,
                epoch=-(-step // self._per_epoch),
                metrics=metrics,
                pace=self._pace(step),
            ),
            level,
        )
