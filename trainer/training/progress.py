"""How far a training is, as log records that a console can turn into a bar."""

import dataclasses
import logging
from collections.abc import Mapping

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Pace:
    """How fast a training goes.

    Attributes:
      images_per_second: lately.
      seconds_left: at that rate, without validation.
    """

    images_per_second: float
    seconds_left: float


@dataclasses.dataclass(frozen=True)
class Progress:
    """State of a training after `step` of `total_steps` optimizer steps.

    Attributes:
      step: how many there have been.
      total_steps: how many there will be, if none is saved by early stopping.
      epoch: that this step belongs to, from 1.
      metrics: loss, accuracy, …
      pace: None after the first step of a training, also of one that goes on from a checkpoint:
        that step takes far longer than the others.
    """

    step: int
    total_steps: int
    epoch: int
    metrics: Mapping[str, float]
    pace: Pace | None = None


def report_resumed(step: int) -> None:
    """Logs a record with the attribute `resumed`, the step that a training goes on from."""
    logger.info("goes on from the checkpoint of step %d", step, extra={"resumed": step})


def report(progress: Progress, level: int) -> None:
    """Logs a record with the attribute `progress`.

    Args:
      progress: what is reported.
      level: INFO once an epoch, DEBUG in between, so that a plain log has a line an epoch.
    """
    detail = [f"{name} {value:.4f}" for name, value in progress.metrics.items()]
    if progress.pace:
        detail.append(f"{progress.pace.images_per_second:.1f} images/s")
    logger.log(
        level,
        "epoch %d, step %d of %d: %s",
        progress.epoch,
        progress.step,
        progress.total_steps,
        ", ".join(detail),
        extra={"progress": progress},
    )
