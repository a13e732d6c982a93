"""Runs the containers of a custom job as Vertex AI does, but on this machine.

Each container is a process with the command of its worker pool, in an empty directory. `TF_CONFIG`
and `CLUSTER_SPEC` name all containers, in the format that Vertex AI documents for distributed
training; a single container has no `TF_CONFIG`. A job succeeds when its chief succeeds, and fails
when any container fails.

This module does not imitate machine types, restarts or preemption.
"""

import json
import socket
import subprocess
from pathlib import Path

from google.cloud.aiplatform_v1.types import ContainerSpec, CustomJob, JobState

from tests.compiled.containers import prepare_disk

# The types of the tasks in TF_CONFIG, in the order of the worker pools.
_TASKS = ("chief", "worker", "ps", "evaluator")


class Replicas:
    """The containers of one custom job.

    Attributes:
      processes: the processes by the names of their replicas, such as "workerpool0-0".
    """

    def __init__(self, job: CustomJob, *, bin: Path, folder: Path) -> None:
        """
        Args:
          job: the job to run.
          bin: the `bin` directory of the environment that stands for the image.
          folder: the folder for the containers' disks.
        """
        self.processes: dict[str, subprocess.Popen] = {}
        self._bin, self._folder = bin, folder
        pools = job.job_spec.worker_pool_specs
        addresses = _free_addresses([pool.replica_count for pool in pools])
        for pool, spec in enumerate(pools):
            for index in range(spec.replica_count):
                cluster = _cluster(job, addresses, pool, index)
                self._start(f"workerpool{pool}-{index}", spec.container_spec, cluster)

    def _start(self, name: str, container: ContainerSpec, cluster: dict[str, str]) -> None:
        disk = self._folder / name
        environment = prepare_disk(disk, self._bin) | cluster
        # The command is a path in `bin`, because Popen would search for a bare name in the PATH of
        # this process, not in the container's PATH.
        command, *arguments = [*container.command, *container.args]
        with (disk / "log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [self._bin / command, *arguments],
                cwd=disk / "empty",
                env=environment | {variable.name: variable.value for variable in container.env},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def log(self, name: str) -> str:
        """Returns the log of a container: stdout and stderr."""
        return (self._folder / name / "log").read_text(errors="replace")

    def state(self) -> tuple[JobState, str]:
        """Returns the state of the job, and the reason for a failure."""
        ended = {name: process.poll() for name, process in self.processes.items()}
        for name, status in ended.items():
            if status:
                self.stop()
                message = f"The replica {name} exited with a non-zero status of {status}."
                return JobState.JOB_STATE_FAILED, f"{message} {self.log(name)[-2000:]}"
        if ended["workerpool0-0"] == 0:
            return JobState.JOB_STATE_SUCCEEDED, ""
        return JobState.JOB_STATE_RUNNING, ""

    def stop(self) -> None:
        """Kills all processes of the job."""
        for process in self.processes.values():
            process.kill()
            process.wait()


def _cluster(job: CustomJob, addresses: list[list[str]], pool: int, index: int) -> dict[str, str]:
    """Returns the environment variables by which Vertex AI describes the cluster to a container."""
    more = {"environment": "cloud", "job": CustomJob.to_dict(job)["job_spec"]}

    def described(names: list[str]) -> str:
        cluster = dict(zip(names, addresses, strict=False))
        task = {"type": names[pool], "index": index, "cloud": "w01"}
        return json.dumps(more | {"cluster": cluster, "task": task})

    described_by = {"CLUSTER_SPEC": described([f"workerpool{i}" for i in range(len(addresses))])}
    if sum(map(len, addresses)) > 1:
        described_by["TF_CONFIG"] = described(list(_TASKS))
    return described_by


def _free_addresses(counts: list[int]) -> list[list[str]]:
    sockets = [[socket.create_server(("127.0.0.1", 0)) for _ in range(n)] for n in counts]
    addresses = [[f"127.0.0.1:{s.getsockname()[1]}" for s in pool] for pool in sockets]
    for listening in (s for pool in sockets for s in pool):
        listening.close()
    return addresses
