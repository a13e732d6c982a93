"""Stand-ins for Vertex AI and Kubeflow Pipelines.

`VertexAi` and `KubeflowPipelines` prepare the inputs of a container before the container runs, and
record the outputs of the container afterwards.

- `VertexAi` follows Vertex AI's documentation, which says that each artifact has a type and a
  resource name.
- `KubeflowPipelines` follows the source of Kubeflow Pipelines 2.17.0. Comments name the Go function
  that the code imitates, and its file in the directory backend/src/v2 of the repository
  kubeflow/pipelines. `KubeflowPipelines` can also imitate release 2.14.3; comments name its
  differences from 2.17.0. docs/kubeflow.md describes runs with the drivers and launchers of both
  releases.

A local directory replaces a pipeline root in a `gs://` bucket, and a folder replaces the disk of a
container. The folder for the disk contains the directories that the launcher uses in a real
container: `/gcs`, `/minio`, `/s3` and `/tmp`.
"""

import abc
import itertools
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format, struct_pb2
from kfp.pipeline_spec import pipeline_spec_pb2 as pb

from pipeline.runners.container import LAUNCHER_ROOT

EXECUTOR_LOGS = "executor-logs"
_STORED = ("minio", "s3")  # URI schemes of object stores that only the launcher reads


class JobError(Exception):
    """An error for a job that Vertex AI or Kubeflow Pipelines would refuse."""


class Backend(abc.ABC):
    """A stand-in for Vertex AI or Kubeflow Pipelines."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)

    @abc.abstractmethod
    def read(self, job: Path, root: str) -> tuple[Mapping[str, Any], str]:
        """Reads a compiled pipeline; returns the PipelineSpec, as JSON, and the pipeline root."""

    @abc.abstractmethod
    def run_root(self, root: str, pipeline: str, run: str) -> str:
        """Returns the directory of a run's artifacts below the pipeline root `root`."""

    @abc.abstractmethod
    def outputs(
        self, declared: pb.ComponentOutputsSpec, run_root: str, task: str, disk: Path
    ) -> pb.ExecutorInput.Outputs:
        """Returns the paths at which the container of `task` must write its outputs."""

    def prepare(
        self, inputs: pb.ExecutorInput.Inputs, outputs: pb.ExecutorInput.Outputs, disk: Path
    ) -> None:
        """Makes directories and copies inputs, as the backend does before it starts a container."""
        # An object in a store needs no parent folder, but the file that replaces the object here
        # needs one.
        for artifacts in outputs.artifacts.values():
            self.path(artifacts.artifacts[0].uri).parent.mkdir(parents=True, exist_ok=True)

    def arguments(self, disk: Path) -> list[str]:
        """Returns arguments that the stand-in adds to those of the compiled container."""
        return []

    def path(self, uri: str) -> Path:
        """Returns the file or directory that stands for the object or objects at `uri`."""
        return Path(uri)

    def finish(  # noqa: B027 (on Vertex AI, containers write to the store themselves)
        self, artifacts: Mapping[str, pb.RuntimeArtifact], disk: Path
    ) -> None:
        """Copies outputs to the store, as the backend does after a container has ended."""

    @abc.abstractmethod
    def send_artifact(self, artifact: pb.RuntimeArtifact) -> pb.RuntimeArtifact:
        """Returns a recorded artifact in the form in which the next step receives it."""

    @abc.abstractmethod
    def record_output(
        self,
        key: str,
        provisioned: pb.RuntimeArtifact,
        written: pb.RuntimeArtifact | None,
    ) -> pb.RuntimeArtifact:
        """Returns an output artifact, completed with the metadata that the container wrote.

        Raises:
          JobError: the backend cannot record the artifact.
        """

    @abc.abstractmethod
    def cache_key(
        self,
        component: pb.ComponentSpec,
        container: Any,
        inputs: pb.ExecutorInput.Inputs,
        outputs: pb.ExecutorInput.Outputs,
    ) -> Any:
        """Returns the cache key of an execution, as JSON."""


class VertexAi(Backend):
    """Imitates Vertex AI, which reads a PipelineJob in JSON.

    Vertex AI names each output artifact before the step runs.
    """

    _STORE = "projects/1/locations/europe-west4/metadataStores/default"

    def read(self, job: Path, root: str) -> tuple[Mapping[str, Any], str]:
        content = json_format.Parse(job.read_text(), pb.PipelineJob())
        spec = json_format.MessageToDict(content.pipeline_spec)
        return spec, content.runtime_config.gcs_output_directory

    def run_root(self, root: str, pipeline: str, run: str) -> str:
        return f"{root}/{run}"

    def outputs(
        self, declared: pb.ComponentOutputsSpec, run_root: str, task: str, disk: Path
    ) -> pb.ExecutorInput.Outputs:
        task_root = f"{run_root}/{task}_{next(self._ids)}"
        outputs = pb.ExecutorInput.Outputs(output_file=f"{task_root}/executor_output.json")
        for key, artifact in declared.artifacts.items():
            outputs.artifacts[key].artifacts.add(
                name=f"{self._STORE}/artifacts/{next(self._ids)}",
                type=artifact.artifact_type,
                uri=f"{task_root}/{key}",
                metadata=artifact.metadata,
            )
        for key in declared.parameters:
            outputs.parameters[key].output_file = f"{disk}/{key}"
        return outputs

    def send_artifact(self, artifact: pb.RuntimeArtifact) -> pb.RuntimeArtifact:
        return artifact

    def record_output(
        self,
        key: str,
        provisioned: pb.RuntimeArtifact,
        written: pb.RuntimeArtifact | None,
    ) -> pb.RuntimeArtifact:
        artifact = _copy(provisioned)
        if written is not None:
            if written.uri and not written.uri.startswith(artifact.uri):
                raise JobError(f"{key} was put at {written.uri}, not at {artifact.uri}")
            artifact.metadata.update(dict(written.metadata))
        return artifact

    def cache_key(
        self,
        component: pb.ComponentSpec,
        container: Any,
        inputs: pb.ExecutorInput.Inputs,
        outputs: pb.ExecutorInput.Outputs,
    ) -> Any:
        return {
            "container": json_format.MessageToDict(container),
            "component": json_format.MessageToDict(component),
            **_inputs_key(inputs),
        }


class KubeflowPipelines(Backend):
    """Imitates Kubeflow Pipelines, which reads a PipelineSpec in YAML.

    Kubeflow Pipelines gives an output artifact its final name after the step has run.
    """

    def __init__(self, release: str = "2.17.0", *, store: Path | None = None) -> None:
        """
        Args:
          release: "2.17.0" or "2.14.3".
          store: the directory that stands for the object store; None if the pipeline root is a
            directory.
        """
        super().__init__()
        self._is_2_14 = release == "2.14.3"
        self._store = store

    def read(self, job: Path, root: str) -> tuple[Mapping[str, Any], str]:
        # ../apiserver/template/v2_template.go, NewV2SpecTemplate
        spec, *platforms = yaml.safe_load_all(job.read_text())
        if any(set(platform) != {"platforms"} for platform in platforms):
            raise JobError("a second document that is not a platform spec")
        return spec, root

    def run_root(self, root: str, pipeline: str, run: str) -> str:
        return f"{root}/{pipeline}/{run}"  # metadata/client.go, GetPipeline

    def outputs(
        self, declared: pb.ComponentOutputsSpec, run_root: str, task: str, disk: Path
    ) -> pb.ExecutorInput.Outputs:
        # driver/driver.go, provisionOutputs
        task_root = f"{run_root}/{task}/{uuid.uuid4()}"
        specs = dict(declared.artifacts.items())
        specs[EXECUTOR_LOGS] = pb.ComponentOutputsSpec.ArtifactSpec(
            artifact_type=pb.ArtifactTypeSchema(schema_title="system.Artifact")
        )
        outputs = pb.ExecutorInput.Outputs()
        for key, spec in specs.items():
            artifact = outputs.artifacts[key].artifacts.add(
                type=spec.artifact_type, uri=f"{task_root}/{key}"
            )
            if not self._is_2_14:
                artifact.name = key
            if spec.HasField("metadata"):
                artifact.metadata.CopyFrom(spec.metadata)
        for key in declared.parameters:
            outputs.parameters[key].output_file = f"{disk}/tmp/kfp/outputs/{key}"
        if self._is_2_14:  # component/launcher_v2.go, OutputMetadataFilepath
            outputs.output_file = f"{disk}/tmp/kfp_outputs/output_metadata.json"
        else:
            # imitates driver/driver.go, lines 797 to 803, and LocalPathForURI in
            # component/launcher_v2.go
            outputs.output_file = str(_local_path(f"{task_root}/output_metadata.json", disk))
        return outputs

    def prepare(
        self, inputs: pb.ExecutorInput.Inputs, outputs: pb.ExecutorInput.Outputs, disk: Path
    ) -> None:
        super().prepare(inputs, outputs, disk)
        # component/launcher_v2.go, downloadArtifacts
        for artifacts in inputs.artifacts.values():
            for artifact in artifacts.artifacts:
                if _is_stored(artifact.uri):
                    self._download(artifact.uri, _local_path(artifact.uri, disk))
        # component/launcher_v2.go, prepareOutputFolders
        for parameter in outputs.parameters.values():
            Path(parameter.output_file).parent.mkdir(parents=True, exist_ok=True)
        if not self._is_2_14:
            Path(outputs.output_file).parent.mkdir(parents=True, exist_ok=True)
            # imitates qualifyExecutorLogsForRetry in component/launcher_v2.go, which adds `-0` to
            # the URI in the first attempt
            outputs.artifacts[EXECUTOR_LOGS].artifacts[0].uri += "-0"
        for artifacts in outputs.artifacts.values():
            local = _local_path(artifacts.artifacts[0].uri, disk)
            local.parent.mkdir(parents=True, exist_ok=True)

    def arguments(self, disk: Path) -> list[str]:
        return [f"{LAUNCHER_ROOT}={disk}"]

    def path(self, uri: str) -> Path:
        if not _is_stored(uri):
            return Path(uri)
        assert self._store is not None
        return self._store / uri.replace("://", "/", 1)

    def finish(self, artifacts: Mapping[str, pb.RuntimeArtifact], disk: Path) -> None:
        # component/launcher_v2.go, uploadOutputArtifacts
        for artifact in artifacts.values():
            local = _local_path(artifact.uri, disk)
            if _is_stored(artifact.uri) and local.exists():
                self._upload(local, artifact.uri)
        for scheme in _STORED:
            shutil.rmtree(disk / scheme, ignore_errors=True)

    def _download(self, uri: str, local: Path) -> None:
        # In release 2.14.3, DownloadBlob (objectstore/object_store.go) copies all objects whose
        # keys begin with the artifact's key: for the key `model`, for example, also the objects of
        # `model_run`.
        target = self.path(uri)
        for file in target.parent.rglob("*"):
            begins = str(file).startswith(str(target))
            is_below = file == target or target in file.parents
            if file.is_file() and (begins if self._is_2_14 else is_below):
                copy = Path(os.path.normpath(local / os.path.relpath(file, target)))
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)

    def _upload(self, local: Path, uri: str) -> None:
        # Like UploadBlob in objectstore/object_store.go, this method does not upload empty
        # directories.
        for file in [local] if local.is_file() else local.rglob("*"):
            if file.is_file():
                key = Path(os.path.normpath(self.path(uri) / file.relative_to(local)))
                key.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, key)

    def send_artifact(self, artifact: pb.RuntimeArtifact) -> pb.RuntimeArtifact:
        # imitates GetOutputArtifactsByExecutionId and ToRuntimeArtifact in metadata/client.go
        sent = _copy(artifact)
        sent.type.instance_schema = ""
        return sent

    def record_output(
        self,
        key: str,
        provisioned: pb.RuntimeArtifact,
        written: pb.RuntimeArtifact | None,
    ) -> pb.RuntimeArtifact:
        # imitates uploadOutputArtifacts and mergeRuntimeArtifacts in component/launcher_v2.go
        artifact = _copy(provisioned)
        if written is not None and key != EXECUTOR_LOGS:
            if written.uri:
                artifact.uri = written.uri
            artifact.metadata.update(dict(written.metadata))
        # Like KeyFromURI in objectstore/config.go, this code refuses a URI outside the run's root.
        run_root = provisioned.uri.rsplit("/", 3)[0]
        if not artifact.uri.startswith(f"{run_root}/"):
            raise JobError(f"{key} was put at {artifact.uri}, not below {run_root}")
        # imitates RecordArtifact in metadata/client.go and toMLMDArtifact in metadata/converter.go
        values = {name: _store_value(key, name, value) for name, value in artifact.metadata.items()}
        values.setdefault("display_name", key)
        # imitates GetStoreSessionInfo in config/env.go, for an object store without a Kubernetes
        # secret
        provider = artifact.uri.split("://")[0] if _is_stored(artifact.uri) else "gs"
        session = f'{{"Provider":"{provider}","Params":{{"fromEnv":"true"}}}}'
        values.setdefault("store_session_info", session)
        artifact.metadata.Clear()
        artifact.metadata.update(values)
        # metadata/converter.go, toRuntimeArtifact
        artifact.name = str(next(self._ids))
        return artifact

    def cache_key(
        self,
        component: pb.ComponentSpec,
        container: Any,
        inputs: pb.ExecutorInput.Inputs,
        outputs: pb.ExecutorInput.Outputs,
    ) -> Any:
        # cacheutils/cache.go, GenerateCacheKey
        artifacts = {key: _copy(a.artifacts[0]) for key, a in outputs.artifacts.items()}
        for artifact in artifacts.values():
            artifact.uri = ""
        return {
            "image": container.image,
            "command": [*container.command, *container.args],
            "output artifacts": {k: json_format.MessageToDict(a) for k, a in artifacts.items()},
            "output parameters": {
                key: definition.parameter_type
                for key, definition in component.output_definitions.parameters.items()
            },
            **_inputs_key(inputs),
        }


def _is_stored(uri: str) -> bool:
    return uri.startswith(tuple(f"{scheme}://" for scheme in _STORED))


def _local_path(uri: str, disk: Path) -> Path:
    """Returns the path of an artifact on a container's disk.

    Source: component/launcher_v2.go, LocalPathForURI.
    """
    return disk / (uri.replace("://", "/", 1) if _is_stored(uri) else f"gcs{uri}")


def _copy(artifact: pb.RuntimeArtifact) -> pb.RuntimeArtifact:
    copy = pb.RuntimeArtifact()
    copy.CopyFrom(artifact)
    return copy


def _store_value(key: str, name: str, value: Any) -> Any:
    """Returns the value that the next step gets after ML Metadata has stored `value`.

    Source: metadata/converter.go, StructValueToMLMDValue and toRuntimeArtifact.
    """
    if value is None:
        raise JobError(f"{key}: unknown/unsupported value type of {name}: null")
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, struct_pb2.ListValue):
        return {"list": list(value)}
    if isinstance(value, struct_pb2.Struct):
        return {"struct": dict(value)}
    return value


def _inputs_key(inputs: pb.ExecutorInput.Inputs) -> Any:
    """Returns the part of the cache key for the inputs: artifact names and parameter values."""
    return {
        "artifacts": {k: [a.name for a in v.artifacts] for k, v in inputs.artifacts.items()},
        "parameters": {k: json_format.MessageToDict(v) for k, v in inputs.parameter_values.items()},
    }
