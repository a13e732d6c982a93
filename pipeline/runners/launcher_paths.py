"""Maps URIs of Kubeflow Pipelines' object store to paths on the container's disk, and back.

Before the command of a container runs, the launcher copies input artifacts from `minio://` and
`s3://` to the container's disk; afterwards it copies output artifacts from the disk to the store.
So a step needs neither credentials nor a file system for the store. The relevant functions in
kubeflow/pipelines, release 2.17.0, below backend/src/v2 (they are the same in 2.14.3):

- LocalPathForURI (component/launcher_v2.go) maps a URI to a path. The pods have empty volumes at
  the launcher's paths (compiler/argocompiler/container.go, addContainerExecutorTemplate), to which
  every user can write.
- downloadArtifacts and uploadOutputArtifacts (component/launcher_v2.go) copy artifacts. The
  launcher reads the URI of an output from the ExecutorOutput that the container writes
  (mergeRuntimeArtifacts), so in the ExecutorOutput, paths have to become URIs.
- DownloadBlob and UploadBlob (objectstore/object_store.go) copy files only. Empty directories, and
outputs that do not exist, are left out.

`gs://` is not mapped, although the launcher copies those artifacts too: TensorFlow and Beam read
buckets of Google Cloud Storage themselves, also on other machines.
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

    URIs in the properties of artifacts are mapped as well: for example, a blessing contains the
    URIs of the current and of the last blessed model.
    """

    def __init__(self, executor_input: pipeline_spec_pb2.ExecutorInput, root: str = "/") -> None:
        """
        Args:
          executor_input: the arguments of the container, not yet mapped.
          root: the directory that contains the launcher's directories; `/` in a pod.
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
        """Whether any artifact of the step is in a store that only the launcher reads."""
        return bool(self._paths)

    def map_inputs(self, executor_input: pipeline_spec_pb2.ExecutorInput) -> None:
        """Replaces URIs by paths in all artifacts, in place.

        The property `STORE_URI` of an input artifact keeps its URI.
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
        """Replaces paths by URIs in all artifacts, in place."""
        for artifacts in executor_output.artifacts.values():
            _map_artifacts(artifacts, self.to_uris)

    def to_paths(self, text: str) -> str:
        """Replaces, in `text`, each URI in a bucket of this step by the launcher's path."""
        for bucket, path in self._paths.items():
            text = _replace_start(text, bucket, path)
        return text

    def to_uris(self, text: str) -> str:
        """Replaces, in `text`, each path that `to_paths` wrote by the URI in the bucket."""
        for bucket, path in self._paths.items():
            text = _replace_start(text, path, bucket)
        return text


def _replace_start(text: str, start: str, new: str) -> str:
    """Replaces `start` by `new` where a path or URI in `text` starts with it."""
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
    """Converts all texts in `value`, in place."""
    match value.WhichOneof("kind"):
        case "string_value":
            value.string_value = convert(value.string_value)
        case "list_value":
            for item in value.list_value.values:
                _map_value(item, convert)
        case "struct_value":
            for item in value.struct_value.fields.values():
                _map_value(item, convert)
