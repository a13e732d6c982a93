"""Halves the batch size of a recipe until a batch is not larger than the training split.

This module does not import TensorFlow, which takes seconds to import.
"""

import dataclasses

from common.errors import InputError
from pipeline.options.config import Config
from pipeline.recipes import RECIPES

# If the run later quarantines up to this share of the training images, the rest is still enough for
# a batch.
_QUARANTINED = 0.05


def fit_batch(config: Config, train_images: int) -> Config:
    """Returns `config` with a batch size of at most `train_images`.

    If the recipe's batch size is larger than 95 % of the training split, this function halves the
    batch size until it fits, or until half of the batch size is no multiple of
    `train.accumulation`.

    Args:
      config: the configuration.
      train_images: the number of images in the train split, including images that will be
        quarantined.

    Raises:
      InputError: the user chose a batch size that is larger than the training split, or the
        recipe's batch size is still too large when it cannot be halved again.
    """
    batch = config.train.batch_size
    if batch == RECIPES[config.recipe].hyperparameters.batch_size:
        parts = config.train.accumulation
        while batch > (1 - _QUARANTINED) * train_images and batch % (2 * parts) == 0:
            batch //= 2
    if batch > train_images:
        raise InputError(
            f"--batch-size {batch}: found {train_images} training images; expected at most "
            f"{train_images}"
        )
    return dataclasses.replace(config, train=dataclasses.replace(config.train, batch_size=batch))
