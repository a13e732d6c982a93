"""Validation after each epoch: metrics, the best weights, and early stopping."""

import tensorflow as tf

from trainer.training.checkpoints import Checkpoints
from trainer.training.hyperparameters import Hyperparameters
from trainer.training.train_step import Stepper


class Validation:
    """Validates the model, with its averaged weights if it has any, and keeps the best weights."""

    def __init__(
        self,
        stepper: Stepper,
        checkpoints: Checkpoints,
        batches: tf.data.Dataset,
        hyperparameters: Hyperparameters,
        *,
        best: list[float] | None,
        stale: int,
    ) -> None:
        """
        Args:
          stepper: holds the model.
          checkpoints: keep the best weights.
          batches: batches of the validation split, distributed by the stepper's strategy.
          hyperparameters: set weight averaging, which weights are kept, and early stopping.
          best: score of the best weights so far, [accuracy, -loss]; None before the first
            validation.
          stale: number of epochs since the best weights.
        """
        self._stepper = stepper
        self._checkpoints = checkpoints
        self._batches = batches
        self._hyperparameters = hyperparameters
        self.best = best
        self.stale = stale

    def run(self, step: int) -> dict[str, float]:
        """Validates after `step` steps; returns `val_loss` and `val_accuracy`."""
        averaged = self._hyperparameters.ema is not None
        if averaged:
            self._stepper.swap_averages()
        sums = sum(self._stepper.test(batch) for batch in self._batches)
        loss, right, count = (float(x) for x in sums)
        metrics = {"val_loss": loss / count, "val_accuracy": right / count}
        # More accurate weights win; at equal accuracy, weights with the lower loss.
        score = [metrics["val_accuracy"], -metrics["val_loss"]]
        if self.best is None or score > self.best:
            self.best, self.stale = score, 0
            if self._hyperparameters.keeps_best:
                self._checkpoints.save_best(step)
        else:
            self.stale += 1
        if averaged:
            self._stepper.swap_averages()
        return metrics

    @property
    def stops_training(self) -> bool:
        """Returns whether training ends early, after too many epochs without an improvement."""
        patience = self._hyperparameters.early_stopping
        return patience is not None and self.stale >= patience
