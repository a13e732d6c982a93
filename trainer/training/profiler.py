"""A profile of some steps, for TensorBoard."""

import logging
from types import TracebackType

import tensorflow as tf

logger = logging.getLogger(__name__)

_STEPS = 10


class Profile:
    """A context in which ten steps are profiled, or what is left of them.

    A training that goes on from a checkpoint within them profiles the rest.
    """

    def __init__(self, first: int | None, log_dir: str) -> None:
        """
        Args:
          first: the first of the steps, which are counted from 1; None for none.
          log_dir: where TensorBoard looks.
        """
        self._steps = range(0) if first is None else range(first, first + _STEPS)
        self._log_dir = log_dir
        self._is_on = False
        self._last = 0  # step that was begun

    def before(self, step: int) -> None:
        """To be called before each step."""
        self._last = step
        if (step in self._steps) == self._is_on:
            return
        if self._is_on:
            self._stop()
        else:
            tf.profiler.experimental.start(self._log_dir)
            self._is_on = True

    def __enter__(self) -> "Profile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._is_on:
            return
        self._stop()
        if self._last < self._steps[-1]:
            logger.info("profiled fewer steps than %d: the training ended before", _STEPS)

    def _stop(self) -> None:
        self._is_on = False
        tf.profiler.experimental.stop()
