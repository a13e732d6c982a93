"""Maps URIs of Kubeflow Pipelines' object store to paths on the container's disk, and back.

Before the command of a container runs, the launcher copies input artifacts from `minio://` and
`s3://` to the container's disk. After the command has ended, the launcher copies output artifacts
from the disk to the object store. A container that reads and writes only the copies on its disk
needs neither credentials nor a file system plugin for the object store. These are the relevant
functions in kubeflow/pipelines, release 2.17.0, below backend/src/v2 (they are the same in 2.14.3):

- LocalPathForURI (component/launcher_v2.go) maps a URI to a path.
- addContainerExecutorTemplate (compiler/argocompiler/container.go) mounts empty volumes, to which
  every user can write, at the launcher's paths in each pod.
- downloadArtifacts and uploadOutputArtifacts (component/launcher_v2.go) copy artifacts. The
  container writes an ExecutorOutput, from which the launcher reads the URIs of the outputs
  (mergeRuntimeArtifacts). TFX writes paths to the ExecutorOutput, so this module replaces the paths
  with URIs.
- DownloadBlob and UploadBlob (objectstore/object_store.go) copy files, but not empty directories.
  The launcher skips an output that the container did not write.

The launcher also copies artifacts from `gs://`, but this module leaves `gs://` URIs unchanged.
TensorFlow and Beam can read `gs://` themselves, so they do not need the launcher's copies. Beam
workers on other machines need the `gs://` URIs, because they cannot read the launcher's copies on
the container's disk.
"""

import posixpath
import re
from collections.abc import Callable, Iterable

from google.protobuf import struct_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from components.store_uri import STORE_URI
from pipeline.options.storage import is_in_launcher_store


class LauncherPaths:
    """The mapping between URIs and paths for the artifacts of one step.

    The mapping also covers URIs in the properties of artifacts: a ModelBlessing artifact, for
    example, has properties with the URIs of the current model and of the last blessed model.
    """

    def __init__(self, executor_input: pipeline_spec_pb2.ExecutorInput, root: str = "/") -> None:
        """
        Args:
          executor_input: the arguments of the container, before `map_inputs` replaces the URIs.
          root: the parent of the directories to which the launcher copies artifacts; `/` in a pod.
        """
        buckets = {
            "/".join(artifact.uri.split("/")[:3])  # URI of a bucket, such as minio://mlpipeline
            for artifacts in _all_artifacts(executor_input)
            for artifact in artifacts.artifacts
            if is_in_launcher_store(artifact.uri)
        }
        self._paths = {
            bucket: posixpath.join(root, bucket.replace("://", "/", 1)) for bucket in buckets
        }

    @property
    def is_needed(self) -> bool:
        """Whether any artifact of the step is in a store that only the launcher can access."""
        return bool(self._paths)

    def map_inputs(self, executor_input: pipeline_spec_pb2.ExecutorInput) -> None:
        """Replaces URIs with paths in all artifacts, in place.

        In each input artifact, the property `STORE_URI` keeps the original URI of the artifact.
        """
        copies = [
            (artifact, artifact.uri)
            for artifacts in executor_input.inputs.artifacts.values()
            for artifact in artifacts.artifacts
            if is_in_launcher_store(artifact.uri)
        ]
        for artifacts in _all_artifacts(executor_input):
            _map_artifacts(artifacts, self.to_paths)
        for artifact, uri in copies:
            artifact.metadata[STORE_URI] = uri

    def map_outputs(self, executor_output: pipeline_spec_pb2.ExecutorOutput) -> None:
        """Replaces paths with URIs in all artifacts, in place."""
        for artifacts in executor_output.artifacts.values():
            _map_artifacts(artifacts, self.to_uris)

    def to_paths(self, text: str) -> str:
        """Replaces the URIs of this step's artifacts in `text` with paths on the disk."""
        for bucket, path in self._paths.items():
            text = _replace_start(text, bucket, path)
        return text

    def to_uris(self, text: str) -> str:
        """Undoes `to_paths`: replaces the paths in `text` with URIs."""
        for bucket, path in self._paths.items():
            text = _replace_start(text, path, bucket)
        return text


def _replace_start(text: str, start: str, new: str) -> str:
    """Replaces the prefix `start` of each path or URI in `text` with `new`."""
    return re.sub(rf"(?<![\w./-]){re.escape(start)}(?![\w.-])", lambda _: new, text)


def _all_artifacts(
    executor_input: pipeline_spec_pb2.ExecutorInput,
) -> Iterable[pipeline_spec_pb2.ArtifactList]:
    yield from executor_input.inputs.artifacts.values()
    yield from executor_input.outputs.artifacts.values()


def _map_artifacts(
    artifacts: pipeline_spec_pb2.ArtifactList, convert: Callable[[str], str]
) -> None:
    for artifact in artifacts.artifacts:
        artifact.uri = convert(artifact.uri)
        for value in artifact.metadata.fields.values():
            _map_value(value, convert)


def _map_value(value: struct_pb2.Value, convert: Callable[[str], str]) -> None:
    """Applies `convert` to each string in `value`, in place."""
    match value.WhichOneof("kind"):
        case "string_value":
            value.string_value = convert(value.string_value)
        case "list_value":
            for item in value.list_value.values:
                _map_value(item, convert)
        case "struct_value":
            for item in value.struct_value.fields.values():
                _map_value(item, convert)
