"""Checks the training strategy against the available devices.

This module does not import TensorFlow, which takes seconds to import.
"""

import glob
from collections.abc import Mapping

from common.errors import InputError

# The environment variables that TPUClusterResolver reads to find a TPU: see TPU_NAME,
# _GKE_ENV_VARIABLE and _DEFAULT_TPUCONFIG_VARIABLE in tensorflow/python/tpu/client/client.py.
_TPU_VARIABLES = ("TPU_NAME", "KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS", "TPU_CONFIG")
# The device files of TPU chips: first the files of TPU v4 and older, then those of v5e and newer.
_TPU_FILES = ("/dev/accel[0-9]*", "/dev/vfio/[0-9]*")


def check_strategy(
    strategy: str, environment: Mapping[str, str], *, files: tuple[str, ...] = _TPU_FILES
) -> None:
    """Checks, without loading TensorFlow, that this machine has the devices for a strategy.

    Args:
      strategy: the value of `--strategy`.
      environment: the environment variables.
      files: glob patterns of TPU device files.

    Raises:
      InputError: the strategy is "tpu" and there is no TPU, or the strategy is "multiworker" and
        TF_CONFIG is not set.
    """
    has_tpu = any(map(environment.get, _TPU_VARIABLES)) or any(map(glob.glob, files))
    if strategy == "tpu" and not has_tpu:
        raise InputError(
            f"--strategy tpu: found no TPU on this machine, and {_TPU_VARIABLES[0]} is not set; "
            "expected a TPU, or --strategy auto"
        )
    if strategy == "multiworker" and not environment.get("TF_CONFIG"):
        raise InputError(
            "--strategy multiworker: TF_CONFIG is not set; expected the addresses of the workers "
            "in it, or --strategy auto"
        )


def check_strategy_of_step(strategy: str) -> None:
    """Checks that Trainer can use a strategy if Trainer runs as a step of a compiled pipeline.

    Raises:
      InputError: the strategy needs a TPU or several machines. A step runs on one machine without a
        TPU; only a custom job of Vertex AI can use a TPU or several machines.
    """
    if strategy in ("tpu", "multiworker"):
        raise InputError(
            f"--strategy {strategy}: Trainer runs as a step, on one machine without a TPU; "
            "expected auto, or, with --runner vertex, a suitable --trainer-machine"
        )
