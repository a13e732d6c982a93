"""Checks the training strategy against the available devices.

This module does not import TensorFlow, to keep the command line fast.
"""

import glob
from collections.abc import Mapping

from common.errors import InputError

# The variables by which TPUClusterResolver finds a TPU: TPU_NAME, and _GKE_ENV_VARIABLE and
# _DEFAULT_TPUCONFIG_VARIABLE of tensorflow/python/tpu/client/client.py.
_TPU_VARIABLES = ("TPU_NAME", "KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS", "TPU_CONFIG")
# The device files of TPU chips: of a TPU up to v4, and of a TPU from v5e on.
_TPU_FILES = ("/dev/accel[0-9]*", "/dev/vfio/[0-9]*")


def check_strategy(
    strategy: str, environment: Mapping[str, str], *, files: tuple[str, ...] = _TPU_FILES
) -> None:
    """Refuses a strategy for which this machine has no devices, before TensorFlow is loaded.

    Args:
      strategy: the value of `--strategy`.
      environment: the environment variables.
      files: patterns of the device files of a TPU.

    Raises:
      InputError: there is no TPU, or TF_CONFIG names no workers.
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
    """Refuses a strategy that Trainer cannot use in a step of a compiled pipeline.

    Raises:
      InputError: the strategy needs a TPU or several machines, which only a custom job has.
    """
    if strategy in ("tpu", "multiworker"):
        raise InputError(
            f"--strategy {strategy}: Trainer runs as a step, on one machine without a TPU; "
            "expected auto, or, with --runner vertex, a suitable --trainer-machine"
        )
