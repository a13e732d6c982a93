"""What each node of a pipeline on a cluster runs on. Imports no TensorFlow."""

import dataclasses
import re
from collections.abc import Iterator

from trainer.errors import InputError
from trainer.option import AT_LEAST_ONE, POSITIVE, WHOLE, Check, option

_ACCELERATOR = Check(
    "TYPE:COUNT, such as NVIDIA_TESLA_T4:2 or, for kubeflow, nvidia.com/gpu:1",
    lambda text: re.fullmatch(r"[A-Za-z0-9._/-]+:[1-9]\d*", text) is not None,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """What a node runs on, how often and how long it is tried; None is the cluster's default."""

    cpu: float | None = option("processor cores", default=None, check=POSITIVE)
    memory_gb: float | None = option("memory, 10^9 bytes", default=None, check=POSITIVE)
    accelerator: str | None = option("accelerators, TYPE:COUNT", default=None, check=_ACCELERATOR)
    disk_gb: int | None = option(
        "disk for temporary files, 10^9 bytes; kubeflow only", default=None, check=AT_LEAST_ONE
    )
    spot: bool = option("a spot machine, which may be taken away; kubeflow only", default=False)
    timeout_minutes: int | None = option(
        "minutes after which the node fails; kubeflow only", default=None, check=AT_LEAST_ONE
    )
    retries: int = option("how often a node that failed is tried again", default=0, check=WHOLE)

    @property
    def accelerator_type(self) -> str:
        """Of its accelerators; empty where it has none."""
        return self.accelerator.rpartition(":")[0] if self.accelerator else ""

    @property
    def accelerator_count(self) -> int:
        """How many accelerators it has."""
        return int(self.accelerator.rpartition(":")[2]) if self.accelerator else 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machines:
    """The machines of the nodes that may need more than the cluster's default."""

    image_example_gen: Machine = dataclasses.field(default_factory=Machine)
    statistics_gen: Machine = dataclasses.field(default_factory=Machine)
    transform: Machine = dataclasses.field(default_factory=Machine)
    trainer: Machine = dataclasses.field(default_factory=Machine)
    evaluator: Machine = dataclasses.field(default_factory=Machine)

    def by_node(self) -> Iterator[tuple[str, Machine]]:
        """The machines by the name of the node."""
        for name, machine in vars(self).items():
            yield "".join(word.capitalize() for word in name.split("_")), machine


def check_machines(runner: str, machines: Machines) -> None:
    """Refuses what the steps of a pipeline cannot have there.

    Raises:
      InputError: Vertex AI is asked for what only Kubernetes has.
    """
    if runner != "vertex":
        return
    for name, machine in vars(machines).items():
        for key in ("disk_gb", "spot", "timeout_minutes"):
            if getattr(machine, key):
                raise InputError(
                    f"machines.{name}.{key}: steps of a Vertex AI pipeline cannot have that; "
                    "expected it with --runner kubeflow only"
                )
        if "/" in machine.accelerator_type:
            raise InputError(
                f"machines.{name}.accelerator {machine.accelerator}: expected one of Vertex AI's "
                "types, such as NVIDIA_TESLA_T4"
            )
