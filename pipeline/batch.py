"""Fits the batch size of a training to the number of images.

This module does not import TensorFlow, to keep the command line fast.
"""

import dataclasses

from common.errors import InputError
from pipeline.options.config import Config
from pipeline.recipes import RECIPES

# Some training images may still be quarantined. So the batch size is chosen to fit the training
# split without this share of its images.
_QUARANTINED = 0.05


def fit_batch(config: Config, train_images: int) -> Config:
    """Returns a configuration whose batch is not larger than the training split.

    If the recipe's batch size is too large, this function halves the batch size until it fits. The
    function stops earlier if half the batch size would not be a multiple of `train.accumulation`.

    Args:
      config: the configuration.
      train_images: the number of images in the train split, including images that will be
        quarantined.

    Raises:
      InputError: the user chose a batch that is larger than the training split, or
        `train.accumulation` requires such a large batch.
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
