"""How far a training is, as log records that a console can turn into a bar."""

import dataclasses
import logging
import time

import keras

logger = logging.getLogger(__name__)

_INTERVAL = 0.25  # seconds between two records within an epoch


@dataclasses.dataclass(frozen=True)
class Progress:
    """State of a training after `step` of `total_steps` optimizer steps."""

    step: int
    total_steps: int
    epoch: int
    metrics: dict[str, float]


class ReportProgress(keras.callbacks.Callback):
    """Logs a record with a `progress` attribute several times a second, and one an epoch at INFO.

    The records in between are at DEBUG, so that a plain log has a line an epoch.
    """

    def __init__(self, total_steps: int) -> None:
        super().__init__()
        self._total_steps = total_steps
        self._step = 0
        self._epoch = 0
        self._last = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._step += 1
        if time.monotonic() - self._last > _INTERVAL:
            self._last = time.monotonic()
            self._report(logging.DEBUG, logs)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._report(logging.INFO, logs)

    def _report(self, level: int, logs: dict | None) -> None:
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        progress = Progress(self._step, self._total_steps, self._epoch, metrics)
        described = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        logger.log(
            level,
            "epoch %d, step %d of %d: %s",
            progress.epoch,
            progress.step,
            progress.total_steps,
            described,
            extra={"progress": progress},
        )


class StopAfter(keras.callbacks.Callback):
    """Ends a training after so many steps, in the middle of an epoch where need be."""

    def __init__(self, total_steps: int) -> None:
        super().__init__()
        self._left = total_steps

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._left -= 1
        if self._left <= 0:
            self.model.stop_training = True
