"""Reduces a recipe's batch size that is too large for the training split.

This module does not import TensorFlow, to keep the command line fast.
"""

import dataclasses

from common.errors import InputError
from pipeline.options.config import Config
from pipeline.recipes import RECIPES

# A run may quarantine training images after it has chosen the batch size. The batch must fit the
# training split even if the run quarantines this share of the training images.
_QUARANTINED = 0.05


def fit_batch(config: Config, train_images: int) -> Config:
    """Returns a configuration whose batch size is at most the number of training images.

    If the recipe's batch size is too large, this function halves the batch size until it fits. The
    function stops earlier if half the batch size would not be a multiple of `train.accumulation`.

    Args:
      config: the configuration.
      train_images: the number of images in the train split, including images that will be
        quarantined.

    Raises:
      InputError: the user chose a batch that is larger than the training split, or
        `train.accumulation` does not allow a batch that fits.
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
