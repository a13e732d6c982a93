"""Tunes models, exports them, and classifies images with exported models."""

import common.environment  # noqa: F401 (sets variables that TensorFlow reads on import)
