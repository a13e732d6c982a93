"""Records the artifacts of a local run when a node ends, and checks them when the cache uses them.

TFX's cache checks only whether a directory exists. TFX numbers the output directories, and begins
again with 1 if the metadata store is lost. On Kubeflow Pipelines and Vertex AI, the server has its
own cache and unique output directories.
"""

import dataclasses
import functools
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf
from ml_metadata import proto
from tfx.orchestration.local import local_dag_runner
from tfx.orchestration.portable import cache_utils, launcher, python_executor_operator
from tfx.types import Artifact

from common.errors import InputError
from common.file_records import FileRecord, find_damage, record_files
from common.files import write_whole
from common.notice import notice
from common.replaced import replaced
from components.node_usage import record_usage

# A repeated training may take days, so these nodes run again only if the user wants it.
_TRAINING = ("Trainer", "Tuner")


@contextmanager
def check_artifacts(
    pipeline_root: str, before_execution: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """A context in which TFX's LocalDagRunner records, checks and never overwrites artifacts.

    If an artifact has changed since its node ended, the node runs again; if the node trains, the
    run ends with an error instead. Artifacts in a bucket are not checked, since reading them back
    would double the traffic.

    Args:
      pipeline_root: the pipeline root.
      before_execution: a function that is called with the name of each node that is not taken from
        the cache, before it runs.
    """
    contents = ArtifactContents(Path(pipeline_root)) if "://" not in pipeline_root else None
    make_launcher = functools.partial(
        _Launcher, contents=contents, before_execution=before_execution
    )
    with replaced(local_dag_runner.launcher, "Launcher", make_launcher):
        yield


@dataclasses.dataclass(frozen=True)
class ArtifactContents:
    """The recorded contents of artifacts: a small file for each artifact, below the pipeline root.

    Attributes:
      root: the pipeline root.
    """

    root: Path

    def record(self, uri: str) -> None:
        """Records the files of the artifact at `uri`, which was just written."""
        file = self._file(uri)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(record_files(_directory(uri))))

    def find_damage(self, uri: str) -> str | None:
        """Describes a change of the artifact at `uri`; None if it is unchanged or not recorded."""
        file = self._file(uri)
        if not file.exists():
            return None
        try:
            recorded = {
                name: FileRecord(*content) for name, content in json.loads(file.read_text()).items()
            }
        except (ValueError, TypeError, AttributeError) as error:
            return f"{file}, the record of the files in {uri}, is damaged ({error})"
        return find_damage(_directory(uri), recorded, trust_times=True)

    def _file(self, uri: str) -> Path:
        name = uri.removeprefix(str(self.root)).strip("/").replace("/", ".")
        return self.root / ".contents" / f"{name}.json"


class _Launcher(launcher.Launcher):
    """TFX's launcher of a node, extended to record and check artifacts."""

    def __init__(
        self,
        *,
        contents: ArtifactContents | None,
        before_execution: Callable[[str], None],
        **given: Any,
    ) -> None:
        super().__init__(**given)
        self._contents = contents
        self._before_execution = before_execution
        self._node = given["pipeline_node"].node_info.id

    def _prepare_execution(self) -> Any:
        find = functools.partial(self._cached_outputs, cache_utils.get_cached_outputs)
        with replaced(cache_utils, "get_cached_outputs", find):
            return super()._prepare_execution()

    def _run_executor(self, execution_info: Any) -> Any:
        self._before_execution(self._node)
        outputs = _flat(execution_info.output_dict)
        for artifact in outputs:
            artifact.uri = _unused(artifact.uri)
        with replaced(python_executor_operator, "run_with_executor", _run_and_measure):
            result = super()._run_executor(execution_info)
        if self._contents:
            for artifact in outputs:
                self._contents.record(artifact.uri)
        return result

    def _cached_outputs(
        self, find: Any, metadata_handle: Any, cache_context: Any
    ) -> Mapping[str, Sequence[Artifact]] | None:
        """Returns the undamaged outputs of the newest execution with this cache key."""
        while True:
            outputs = find(metadata_handle=metadata_handle, cache_context=cache_context)
            if outputs is None or self._contents is None:
                return outputs
            for artifact in _flat(outputs):
                damage = self._contents.find_damage(artifact.uri)
                if damage:
                    break
            else:
                return outputs
            if self._node in _TRAINING:
                raise InputError(
                    f"{damage}: this is an output of {self._node}, which is in the cache; put the "
                    f"file back as it was, or remove {artifact.uri} to have {self._node} run again"
                )
            notice(
                f"{damage}: this is an output of {self._node}, which was in the cache; "
                f"{self._node} runs again"
            )
            # TFX's cache uses only artifacts in the state LIVE.
            artifact.mlmd_artifact.state = proto.Artifact.ABANDONED
            metadata_handle.store.put_artifacts([artifact.mlmd_artifact])


def _run_and_measure(execution_info: Any, executor: Any) -> Any:
    """Runs an executor as TFX does, and records its time and memory in its outputs."""
    executor.Do = record_usage(executor.Do, execution_info.pipeline_run_id)
    return _run_with_executor(execution_info, executor)


_run_with_executor = python_executor_operator.run_with_executor


def _directory(uri: str) -> str:
    """Returns the directory of an artifact; if the artifact is a file, the file's directory."""
    return uri if Path(uri).is_dir() else str(Path(uri).parent)


def _flat(artifacts: Mapping[str, Sequence[Artifact]]) -> list[Artifact]:
    return [artifact for of_key in artifacts.values() for artifact in of_key]


def _unused(uri: str) -> str:
    """Returns `uri`; if a file or directory exists there, a URI with another name.

    The new name has a random suffix after the number of the execution. This number is the last part
    of the URI; if the artifact is a value in a file, it is the part before the file name.
    """
    if not tf.io.gfile.exists(uri):
        return uri
    parts = uri.split("/")
    number = -2 if parts[-1] == "value" else -1
    parts[number] += f"-{uuid.uuid4().hex[:8]}"
    return "/".join(parts)
