"""Training by gradient descent, from model and data to a trained model."""

import dataclasses

import keras
import tensorflow as tf

from common.errors import InputError
from trainer.input.dataset import TrainingData, read_labels
from trainer.training.checkpoints import Checkpoints
from trainer.training.history import History
from trainer.training.hyperparameters import Hyperparameters
from trainer.training.loop import Loop
from trainer.training.losses import balanced
from trainer.training.optimizer import Schedule
from trainer.training.strategy import worker_of
from trainer.training.train_step import Stepper


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A trained model.

    Attributes:
      model: with the weights that are to be exported.
      history: the curves of the training.
      checkpoints: to be removed once the model is safe.
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
    """Trains `model`, from the newest checkpoint where there is one; writes `history.json`.

    Args:
      model: gives logits; made in the scope of `strategy`.
      train: the training split.
      validation: batches of the validation split.
      hyperparameters: optimizer, schedule, length.
      strategy: where to train.
      checkpoints: directory of this training's.
      log_dir: of the ModelRun artifact.

    Raises:
      InputError: the batch is larger than the training split, or cannot be divided among the
        devices; the options do not fit the model; checkpoints cannot be read or written.
      NonFiniteError: the loss is no number any more.
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
        weights = balanced([labels.count(label) for label in range(train.classes)])
    stepper = Stepper(model, schedule, hyperparameters, class_weights=weights, strategy=strategy)
    saved = Checkpoints(
        checkpoints,
        stepper.variables,
        [variable.value for variable in model.variables],
        kept=hyperparameters.checkpoints_kept,
        writes=worker_of(strategy)[0] == 0,
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
