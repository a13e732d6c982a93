"""The machines of the nodes of a pipeline on a cluster.

This module does not import TensorFlow, which takes seconds to import.
"""

import dataclasses
import re
from collections.abc import Container, Iterator

from common.errors import InputError, did_you_mean
from common.options import AT_LEAST_ONE, POSITIVE, WHOLE, Check, option

_ACCELERATOR = Check(
    "TYPE:COUNT, such as NVIDIA_TESLA_T4:2 or, for kubeflow, nvidia.com/gpu:1",
    lambda text: re.fullmatch(r"[A-Za-z0-9._/-]+:[1-9]\d*", text) is not None,
)
_TOPOLOGY = Check(
    "a topology such as 2x2", lambda text: re.fullmatch(r"\d+(x\d+){1,2}", text) is not None
)
# The names of GPUs, copied from google.cloud.aiplatform_v1's AcceleratorType because that library
# is slow to import. In Google Kubernetes Engine, a machine with a GPU has a label with the GPU's
# name in lower case and with hyphens.
GPUS = (
    "NVIDIA_TESLA_K80",
    "NVIDIA_TESLA_P100",
    "NVIDIA_TESLA_V100",
    "NVIDIA_TESLA_P4",
    "NVIDIA_TESLA_T4",
    "NVIDIA_TESLA_A100",
    "NVIDIA_A100_80GB",
    "NVIDIA_L4",
    "NVIDIA_H100_80GB",
    "NVIDIA_H100_MEGA_80GB",
    "NVIDIA_H200_141GB",
    "NVIDIA_B200",
    "NVIDIA_GB200",
    "NVIDIA_RTX_PRO_6000",
)
# The name of a Compute Engine machine type with a TPU ends in the number of chips, such as 4 in
# ct5lp-hightpu-4t.
_TPU_TYPE = re.compile(r"(?:ct|tpu)\d\w*-\w+-(\d+)t")
OLD_TPU = "cloud-tpu"  # Vertex AI's machine type for a TPU v2 or v3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """The machine, time limit and retries of a node. The cluster's default applies to each option
    that is None.
    """

    cpu: float | None = option("number of processor cores", default=None, check=POSITIVE)
    memory_gb: float | None = option("memory in GB (10^9 bytes)", default=None, check=POSITIVE)
    accelerator: str | None = option(
        "type and number of accelerators, TYPE:COUNT", default=None, check=_ACCELERATOR
    )
    disk_gb: int | None = option(
        "disk for temporary files in GB (10^9 bytes), for kubeflow or for Trainer as a custom job",
        default=None,
        check=AT_LEAST_ONE,
    )
    spot: bool = option(
        "use a cheaper spot machine, which may be preempted; for kubeflow or for Trainer as a "
        "custom job",
        default=False,
    )
    timeout_minutes: int | None = option(
        "time limit in minutes, after which the node fails; for kubeflow or for Trainer as a "
        "custom job",
        default=None,
        check=AT_LEAST_ONE,
    )
    retries: int = option("number of retries of a node that fails", default=0, check=WHOLE)

    @property
    def accelerator_type(self) -> str:
        """The type of the accelerators; empty if there are none."""
        return self.accelerator.rpartition(":")[0] if self.accelerator else ""

    @property
    def accelerator_count(self) -> int:
        """The number of accelerators."""
        return int(self.accelerator.rpartition(":")[2]) if self.accelerator else 0

    @property
    def for_step(self) -> "Machine":
        """The machine that runs the node's step in a compiled pipeline."""
        return self


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainerMachine(Machine):
    """The machine of Trainer.

    With a `machine_type`, Trainer runs as a custom job of Vertex AI. The Trainer step of the
    pipeline submits this custom job and waits until the job ends. The options `accelerator`,
    `disk_gb`, `spot` and `timeout_minutes` then apply to the machines of the job, and the option
    `retries` to the Trainer step.
    """

    machine_type: str | None = option(
        "run Trainer as a custom job on this type of machine, such as n1-standard-8; vertex only",
        default=None,
    )
    workers: int = option(
        "number of machines that share the training, with --trainer-machine; vertex only",
        default=1,
        check=AT_LEAST_ONE,
    )
    tpu_topology: str | None = option(
        "topology of the machine's TPU, such as 2x2; vertex only",
        default=None,
        check=_TOPOLOGY,
    )

    @property
    def for_step(self) -> Machine:
        """The machine that runs the Trainer step.

        If Trainer runs as a custom job, the Trainer step only waits for the custom job, so any
        machine suffices.
        """
        return Machine(retries=self.retries) if self.machine_type else self

    @property
    def has_tpu(self) -> bool:
        """Whether machines of the type `machine_type` have a TPU."""
        return self.machine_type == OLD_TPU or self.tpu_chips > 0

    @property
    def tpu_chips(self) -> int:
        """The number of TPU chips of one machine, which is part of the machine type's name; 0 if
        the name contains no such number.
        """
        match = _TPU_TYPE.fullmatch(self.machine_type or "")
        return int(match[1]) if match else 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machines:
    """The machines of all nodes that a pipeline may have."""

    resolve_inputs: Machine = dataclasses.field(default_factory=Machine)
    image_example_gen: Machine = dataclasses.field(default_factory=Machine)
    statistics_gen: Machine = dataclasses.field(default_factory=Machine)
    schema_gen: Machine = dataclasses.field(default_factory=Machine)
    packaged_schema: Machine = dataclasses.field(default_factory=Machine)
    example_validator: Machine = dataclasses.field(default_factory=Machine)
    data_check: Machine = dataclasses.field(default_factory=Machine)
    backbone: Machine = dataclasses.field(default_factory=Machine)
    transform: Machine = dataclasses.field(default_factory=Machine)
    tuner: Machine = dataclasses.field(default_factory=Machine)
    trainer: TrainerMachine = dataclasses.field(default_factory=TrainerMachine)
    evaluator: Machine = dataclasses.field(default_factory=Machine)
    serving_check: Machine = dataclasses.field(default_factory=Machine)
    pusher: Machine = dataclasses.field(default_factory=Machine)
    report: Machine = dataclasses.field(default_factory=Machine)

    def for_steps(self, nodes: Container[str]) -> Iterator[tuple[str, Machine]]:
        """Yields the name and the machine of each node in `nodes`."""
        for name, machine in vars(self).items():
            node = "".join(word.capitalize() for word in name.split("_"))
            if node in nodes:
                yield node, machine.for_step


def check_machines(runner: str, machines: Machines) -> None:
    """Checks that the runner supports the options of all machines.

    Raises:
      InputError: an accelerator is unknown, or Vertex AI does not support an option.
    """
    for name, machine in vars(machines).items():
        _check_accelerator(runner, name, machine)
        for key in ("disk_gb", "spot", "timeout_minutes"):
            if runner == "vertex" and getattr(machine.for_step, key):
                job = " or --trainer-machine, a custom job" if name == "trainer" else ""
                raise InputError(
                    f"machines.{name}.{key}: has no effect on steps of a Vertex AI pipeline; "
                    f"expected --runner kubeflow{job}"
                )


def _check_accelerator(runner: str, name: str, machine: Machine) -> None:
    kind = machine.accelerator_type
    given = f"machines.{name}.accelerator {machine.accelerator}"
    if kind.startswith("TPU"):
        if machine.for_step.accelerator:
            raise InputError(
                f"{given}: a step cannot have a TPU; expected a GPU, or Trainer as a custom job of "
                "Vertex AI (--trainer-machine)"
            )
    elif "/" in kind and runner == "vertex":
        raise InputError(f"{given}: expected one of Vertex AI's types, such as NVIDIA_TESLA_T4")
    elif kind and "/" not in kind and kind not in GPUS:
        hint = did_you_mean(kind, GPUS, cutoff=0.8) or f"expected one of {', '.join(GPUS)}"
        raise InputError(f"{given}: there is no accelerator {kind}; {hint}")
