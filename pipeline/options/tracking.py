"""Checks the option that names the tracker of results.

This module does not import TensorFlow, to keep the command line fast.
"""

import importlib.util

from common.errors import InputError


def check_tracking(track: str, origin: str) -> None:
    """Refuses a tracker that is not installed, before anything runs.

    Args:
      track: the value of `run.track`.
      origin: the flag, or the file and key, of the value.

    Raises:
      InputError: the package of the tracker is missing.
    """
    if track == "mlflow" and importlib.util.find_spec("mlflow") is None:
        raise InputError(
            f"{origin} mlflow: found no package mlflow; expected it beside the pipeline: "
            ".uv/bin/uv pip install --python .venv mlflow-skinny"
        )
