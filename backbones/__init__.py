"""Turns the value of --model into a SavedModel directory that satisfies the backbone contract."""

import common.environment  # noqa: F401 (sets variables that TensorFlow reads on import)
