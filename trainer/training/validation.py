"""Validates the model after each epoch, saves the best weights, and decides on early stopping."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from trainer.training.checkpoints import Checkpoints
from trainer.training.hyperparameters import Hyperparameters
from trainer.training.train_step import Stepper


class Validation:
    """Validates the model, and saves the best weights.

    If the training computes moving averages of the weights, the averages are validated and saved.
    """

    def __init__(
        self,
        stepper: Stepper,
        checkpoints: Checkpoints,
        batches: Iterable[Any],
        hyperparameters: Hyperparameters,
        *,
        best: list[float] | None,
        stale: int,
    ) -> None:
        """
        Args:
          stepper: the stepper, which holds the model.
          checkpoints: the checkpoints of the training, in which the best weights are saved.
          batches: batches of the validation split, distributed by the stepper's strategy.
          hyperparameters: the hyperparameters for weight averaging and early stopping.
          best: score of the best weights so far, [accuracy, -loss]; None before the first
            validation.
          stale: number of epochs since the epoch with the best weights.
        """
        self._stepper = stepper
        self._checkpoints = checkpoints
        self._batches = batches
        self._hyperparameters = hyperparameters
        self.best = best
        self.stale = stale

    def run(self, step: int, is_stopped: Callable[[], bool]) -> dict[str, float] | None:
        """Validates the model after `step` steps; returns `val_loss` and `val_accuracy`.

        Args:
          step: the number of steps so far.
          is_stopped: a function that is called before each batch; if it returns true, the
            validation is abandoned, and the result is None.
        """
        averaged = self._hyperparameters.ema is not None
        if averaged:
            self._stepper.swap_averages()
        metrics = self._measure(is_stopped)
        if metrics is not None:
            self._judge(step, metrics)
        if averaged:
            self._stepper.swap_averages()
        return metrics

    def _measure(self, is_stopped: Callable[[], bool]) -> dict[str, float] | None:
        sums: Any = 0
        for batch in self._batches:
            if is_stopped():
                return None
            sums += self._stepper.test(batch)
        loss, right, count = (float(x) for x in sums)
        return {"val_loss": loss / count, "val_accuracy": right / count}

    def _judge(self, step: int, metrics: Mapping[str, float]) -> None:
        """Saves the weights if they are better than all earlier weights."""
        # Weights with a higher accuracy are better; at equal accuracy, the lower loss decides.
        score = [metrics["val_accuracy"], -metrics["val_loss"]]
        if self.best is None or score > self.best:
            self.best, self.stale = score, 0
            if self._hyperparameters.keeps_best:
                self._checkpoints.save_best(step)
        else:
            self.stale += 1

    @property
    def stops_training(self) -> bool:
        """Returns whether training ends early, after too many epochs without an improvement."""
        patience = self._hyperparameters.early_stopping
        return patience is not None and self.stale >= patience
