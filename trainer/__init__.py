"""Tunes models: preprocessing, input, model, training, serving."""

import common.environment  # noqa: F401 (before TensorFlow is imported)
