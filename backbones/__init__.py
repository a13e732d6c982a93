"""Whatever --model says -> a SavedModel directory that keeps the backbone contract."""

import common.environment  # noqa: F401 (before TensorFlow is imported)
