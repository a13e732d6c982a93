"""Adds the configured resources, retries and volumes of the nodes to a compiled pipeline."""

from collections.abc import Collection, Sequence
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from pipeline.options.machines import Machine, Machines
from pipeline.options.storage import TEMPORARY_VOLUME, Volume

_GPU = "nvidia.com/gpu"
# Labels and taints of Google Kubernetes Engine.
_GKE_ACCELERATOR = "cloud.google.com/gke-accelerator"
_GKE_SPOT = "cloud.google.com/gke-spot"

_HOUR = 3600  # seconds
_FOUR_WEEKS = 28 * 24 * _HOUR


def set_machines(
    spec: pipeline_spec_pb2.PipelineSpec, machines: Machines, *, on_kubernetes: bool
) -> None:
    """Sets the resources and retries of the nodes in `spec`."""
    deployment = pipeline_spec_pb2.PipelineDeploymentConfig()
    json_format.ParseDict(json_format.MessageToDict(spec.deployment_spec), deployment)
    for node, machine in machines.for_steps(spec.root.dag.tasks):
        _set_resources(deployment.executors[f"{node}_executor"].container, machine, on_kubernetes)
        if machine.retries:
            policy = spec.root.dag.tasks[node].retry_policy
            (_retry_on_kubernetes if on_kubernetes else _retry_on_vertex)(policy, machine)
    spec.deployment_spec.Clear()
    spec.deployment_spec.update(json_format.MessageToDict(deployment))


def _retry_on_vertex(policy: Any, machine: Machine) -> None:
    policy.max_retry_count = machine.retries
    policy.backoff_duration.seconds = 60
    policy.backoff_factor = 2.0
    policy.backoff_max_duration.seconds = _HOUR  # longest wait that Vertex AI allows


def _retry_on_kubernetes(policy: Any, machine: Machine) -> None:
    """Sets the retry policy that Kubeflow Pipelines passes to Argo.

    Kubeflow Pipelines passes `backoff_max_duration` to Argo as `maxDuration`. Unlike on Vertex AI,
    this duration does not limit a single wait between attempts: Argo starts no attempt later than
    `maxDuration` after the beginning of the first attempt. With the default, 0, Argo would start no
    second attempt.
    """
    policy.max_retry_count = machine.retries
    policy.backoff_duration.seconds = 60
    # The factor 1 keeps the wait between attempts constant. With a larger factor, the wait would
    # grow, and Argo cannot limit a wait that grows.
    policy.backoff_factor = 1.0
    attempts = machine.retries + 1
    # `longest` includes an additional hour for each attempt, because `timeout_minutes` does not
    # include the time in which a node waits for a machine or a retry.
    if machine.timeout_minutes:
        longest = attempts * (machine.timeout_minutes * 60 + _HOUR)
    else:
        longest = _FOUR_WEEKS
    policy.backoff_max_duration.seconds = longest


def _set_resources(container: Any, machine: Machine, on_kubernetes: bool) -> None:
    resources = container.resources
    if machine.cpu:
        resources.cpu_limit = machine.cpu
    if machine.memory_gb:
        resources.memory_limit = machine.memory_gb
    if machine.accelerator:
        is_resource = "/" in machine.accelerator_type or not on_kubernetes
        resources.accelerator.type = machine.accelerator_type if is_resource else _GPU
        resources.accelerator.count = machine.accelerator_count


def platform_spec(
    machines: Machines, volumes: Sequence[Volume], nodes: Collection[str]
) -> dict[str, Any]:
    """Returns the Kubernetes settings of `nodes`, such as volumes and spot machines.

    Args:
      machines: the machines of the nodes.
      volumes: the volumes that each node mounts.
      nodes: the names of the nodes.

    Returns:
      The PlatformSpec that Kubeflow Pipelines reads in addition to the PipelineSpec, as JSON; empty
      if no node has Kubernetes settings.
    """
    configs = {node: _mounts(volumes) for node in nodes}
    for node, machine in machines.for_steps(nodes):
        configs[node] |= _kubernetes(machine)
    executors = {f"{node}_executor": config for node, config in configs.items() if config}
    if not executors:
        return {}
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}


def _mounts(volumes: Sequence[Volume]) -> dict[str, Any]:
    """Returns the part of a kfp_kubernetes.KubernetesExecutorConfig that mounts `volumes`, as JSON.

    The JSON has the form that `mount_pvc` of the package kfp-kubernetes writes.
    """
    mounts = [
        {
            "pvcNameParameter": {"runtimeValue": {"constant": volume.claim}},
            "mountPath": volume.path,
        }
        for volume in volumes
    ]
    return {"pvcMount": mounts} if mounts else {}


def _kubernetes(machine: Machine) -> dict[str, Any]:
    """Returns a kfp_kubernetes.KubernetesExecutorConfig, as JSON."""
    config: dict[str, Any] = {}
    labels = {}
    if machine.accelerator and "/" not in machine.accelerator_type:
        labels[_GKE_ACCELERATOR] = machine.accelerator_type.lower().replace("_", "-")
    if machine.spot:
        labels[_GKE_SPOT] = "true"
        config["tolerations"] = [
            {"key": _GKE_SPOT, "operator": "Equal", "value": "true", "effect": "NoSchedule"}
        ]
    if labels:
        config["nodeSelector"] = {"labels": labels}
    if machine.timeout_minutes:
        config["activeDeadlineSeconds"] = str(machine.timeout_minutes * 60)
    if machine.disk_gb:
        # The volume for /tmp is an emptyDir, because every user may write to an emptyDir. The
        # volume of a PersistentVolumeClaim belongs to root, and no field of the PlatformSpec
        # changes its owner, so the image's user, who is not root, could not write to the volume.
        config["emptyDirMounts"] = [
            {
                "volumeName": TEMPORARY_VOLUME,
                "mountPath": "/tmp",
                "sizeLimit": f"{machine.disk_gb}G",
            }
        ]
    return config
