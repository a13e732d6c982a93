"""Checks `run.track`, the option that names the experiment tracker.

This module does not import TensorFlow, which takes seconds to import.
"""

import importlib.util

from common.errors import InputError


def check_tracking(track: str, origin: str) -> None:
    """Checks, before the pipeline runs, that MLflow is installed if the run logs to MLflow.

    Args:
      track: the value of `run.track`, "off" or "mlflow".
      origin: the flag, or the file and key, that set `run.track`.

    Raises:
      InputError: the package `mlflow` is not installed.
    """
    if track == "mlflow" and importlib.util.find_spec("mlflow") is None:
        raise InputError(
            f"{origin} mlflow: the package mlflow is not installed; install it: "
            ".uv/bin/uv pip install --python .venv mlflow-skinny"
        )
