"""Describes and checks the custom job of Vertex AI in which Trainer runs.

This module does not import TensorFlow, which takes seconds to import.
"""

import math
from typing import Any

from common.errors import InputError
from pipeline.options.cluster import Cloud
from pipeline.options.machines import OLD_TPU, TrainerMachine
from trainer.training.hyperparameters import Hyperparameters

_KEYS = ("machine_type", "workers", "tpu_topology")
_DISKS = range(100, 64001)  # allowed sizes of a disk, in GB (10^9 bytes)
# The TPUs v2 and v3 that consist of a single machine: those with eight cores. Larger TPUs consist
# of several machines, but a training can use the TPU of only one machine.
_OLD_TPUS = ("TPU_V2:8", "TPU_V3:8")


def custom_job(name: str, machine: TrainerMachine, cloud: Cloud) -> dict[str, Any]:
    """Returns the JSON of a google.cloud.aiplatform.v1.CustomJob that runs TFX's Trainer.

    The JSON also contains the Google Cloud project, which TFX reads and removes before it submits
    the job. TFX adds the command that the containers run.

    Args:
      name: name of the pipeline.
      machine: the machine of each worker.
      cloud: project, image, account and network of the job.
    """
    # Vertex AI expects the chief in the first worker pool, and all other workers in the second
    # pool.
    replicas = [1, machine.workers - 1] if machine.workers > 1 else [1]
    spec: dict[str, Any] = {
        "worker_pool_specs": [_pool(machine, cloud) | {"replica_count": n} for n in replicas],
        "scheduling": _scheduling(machine),
    }
    if cloud.service_account:
        spec["service_account"] = cloud.service_account
    if cloud.network:
        spec["network"] = cloud.network
    job = {
        "project": cloud.project,
        "display_name": f"{name}-trainer",
        "labels": cloud.label_values(),
        "job_spec": spec,
    }
    if cloud.encryption_key:
        job["encryption_spec"] = {"kms_key_name": cloud.encryption_key}
    return job


def _pool(machine: TrainerMachine, cloud: Cloud) -> dict[str, Any]:
    """Returns Vertex AI's WorkerPoolSpec for `machine`, without the number of machines."""
    machine_spec: dict[str, Any] = {"machine_type": machine.machine_type}
    if machine.accelerator:
        machine_spec["accelerator_type"] = machine.accelerator_type
        machine_spec["accelerator_count"] = machine.accelerator_count
    if machine.tpu_topology:
        machine_spec["tpu_topology"] = machine.tpu_topology
    container: dict[str, Any] = {"image_uri": cloud.image}
    if machine.has_tpu:
        # With TPU_NAME=local, TensorFlow uses the TPU of the machine on which the container runs.
        container["env"] = [{"name": "TPU_NAME", "value": "local"}]
    pool = {"machine_spec": machine_spec, "container_spec": container}
    if machine.disk_gb:
        pool["disk_spec"] = {"boot_disk_size_gb": machine.disk_gb}
    return pool


def _scheduling(machine: TrainerMachine) -> dict[str, Any]:
    # A restarted worker cannot join a running training, so all workers restart from the last
    # checkpoint.
    scheduling: dict[str, Any] = {"restart_job_on_worker_restart": machine.workers > 1}
    if machine.spot:
        scheduling["strategy"] = "SPOT"
    if machine.timeout_minutes:
        scheduling["timeout"] = {"seconds": machine.timeout_minutes * 60}
    return scheduling


def check_custom_job(
    machine: TrainerMachine, cloud: Cloud, train: Hyperparameters, *, tune: str
) -> None:
    """Checks that Vertex AI supports the machines of the custom job, and that the training can use
    them.

    Raises:
      InputError: an option is missing, or two options contradict each other.
    """
    given = [key for key in _KEYS if getattr(machine, key) != getattr(TrainerMachine, key)]
    if not given:
        return
    if machine.machine_type is None:
        option = f"machines.trainer.{given[0]} {getattr(machine, given[0])}"
        raise InputError(
            f"{option}: expected the type of machine as well, such as --trainer-machine "
            "n1-standard-8"
        )
    needed = {"--project": cloud.project, "--region": cloud.region, "--image": cloud.image}
    missing = [flag for flag, value in needed.items() if not value]
    if missing:
        raise InputError(
            f"{' and '.join(missing)} missing; the Trainer node submits the custom job itself, and "
            f"needs {', '.join(needed)}"
        )
    for key in ("cpu", "memory_gb"):
        if getattr(machine, key):
            raise InputError(
                f"machines.trainer.{key}: has no effect with --trainer-machine "
                f"{machine.machine_type}, which determines this value; choose another "
                "machine type"
            )
    if machine.disk_gb and machine.disk_gb not in _DISKS:
        raise InputError(
            f"machines.trainer.disk_gb {machine.disk_gb}: expected {_DISKS[0]} to {_DISKS[-1]} for "
            "a custom job"
        )
    _check_tpu(machine)
    _check_training(machine, train, tune)


def _check_tpu(machine: TrainerMachine) -> None:
    kind, topology, accelerator = machine.machine_type, machine.tpu_topology, machine.accelerator
    if machine.has_tpu and machine.workers > 1:
        raise InputError(
            f"machines.trainer.workers {machine.workers}: {kind} has a TPU, and a training can use "
            "the TPU of one machine only; expected 1"
        )
    if kind == OLD_TPU:
        if accelerator not in _OLD_TPUS:
            raise InputError(
                f"machines.trainer.accelerator {accelerator}: expected {' or '.join(_OLD_TPUS)} "
                f"with {OLD_TPU}"
            )
    elif machine.accelerator_type.startswith("TPU"):
        raise InputError(
            f"machines.trainer.accelerator {accelerator}: found --trainer-machine {kind}; expected "
            f"{OLD_TPU}"
        )
    if machine.tpu_chips and accelerator:
        raise InputError(
            f"machines.trainer.accelerator {accelerator}: {kind} includes its TPU; expected no "
            "accelerator"
        )
    chips = math.prod(map(int, topology.split("x"))) if topology else 0
    if chips != machine.tpu_chips:
        fitting = f"{machine.tpu_chips}, the chips of one machine" if machine.tpu_chips else "none"
        raise InputError(
            f"machines.trainer.tpu_topology {topology}: found {chips} chips for {kind}; expected "
            f"{fitting}"
        )


def _check_training(machine: TrainerMachine, train: Hyperparameters, tune: str) -> None:
    workers = machine.workers
    if machine.has_tpu:
        fitting: tuple[str, ...] = ("auto", "tpu")
    else:
        fitting = ("auto", "multiworker") if workers > 1 else ("auto", "single", "mirrored")
    if train.strategy not in fitting:
        raise InputError(
            f"--strategy {train.strategy}: found {workers} machines of type "
            f"{machine.machine_type}; expected {' or '.join(fitting)}"
        )
    if tune == "head" and train.head == "linear_probe":
        if workers > 1:
            raise InputError(
                f"--head linear_probe: found machines.trainer.workers {workers}; expected 1, "
                "because a linear probe is computed on one machine"
            )
        return
    devices = workers * max(machine.accelerator_count, 1)
    parts = devices * train.accumulation
    if not machine.has_tpu and train.strategy != "single" and train.batch_size % parts:
        raise InputError(
            f"--batch-size {train.batch_size}: expected a multiple of {parts}, which is {devices} "
            f"devices ({workers} machines of type {machine.machine_type}) times train.accumulation "
            f"{train.accumulation}"
        )
