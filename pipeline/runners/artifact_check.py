"""Detects changed artifacts in a local run, and keeps nodes from overwriting old artifacts.

When a node ends, this module records the files of the node's artifacts. Before TFX's cache reuses
an artifact, this module checks that the artifact's files have not changed, because the cache itself
checks only whether the directory exists.

TFX names each output directory after the number of the execution. If the metadata store is lost,
TFX numbers the executions from 1 again, and could overwrite old artifacts.

Only local runs use this module: Kubeflow Pipelines and Vertex AI have caches of their own and
unique output directories.
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
from common.notice import print_notice
from common.replace_attribute import replace_attribute
from components.node_usage import record_usage

# If a cached output of Trainer or Tuner has changed, the run ends with an error instead of running
# the node again, because a training may take days.
_TRAINING = ("Trainer", "Tuner")


@contextmanager
def check_artifacts(
    pipeline_root: str, before_execution: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """A context in which TFX's LocalDagRunner records, checks and never overwrites artifacts.

    If a cached artifact has changed since its node ended, the node runs again; if the node trains,
    the run ends with an error instead. This context does not check artifacts in a bucket, because
    reading every new artifact back would double the traffic.

    Args:
      pipeline_root: the pipeline root.
      before_execution: a function that is called with the name of each node before the node runs,
        but not for nodes whose outputs come from the cache.
    """
    contents = ArtifactContents(Path(pipeline_root)) if "://" not in pipeline_root else None
    make_launcher = functools.partial(
        _Launcher, contents=contents, before_execution=before_execution
    )
    with replace_attribute(local_dag_runner.launcher, "Launcher", make_launcher):
        yield


@dataclasses.dataclass(frozen=True)
class ArtifactContents:
    """Describes the files of each artifact in a small JSON file below the pipeline root.

    Attributes:
      root: the pipeline root.
    """

    root: Path

    def record(self, uri: str) -> None:
        """Records the files of the new artifact at `uri`."""
        file = self._file(uri)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(record_files(_directory(uri))))

    def find_damage(self, uri: str) -> str | None:
        """Describes how the artifact at `uri` has changed since its node ended.

        The result is None if the artifact has not changed, or if `record` has not recorded the
        artifact.
        """
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
        with replace_attribute(cache_utils, "get_cached_outputs", find):
            return super()._prepare_execution()

    def _run_executor(self, execution_info: Any) -> Any:
        self._before_execution(self._node)
        outputs = _flatten(execution_info.output_dict)
        for artifact in outputs:
            artifact.uri = _choose_unused_uri(artifact.uri)
        with replace_attribute(python_executor_operator, "run_with_executor", _run_and_measure):
            result = super()._run_executor(execution_info)
        if self._contents:
            for artifact in outputs:
                self._contents.record(artifact.uri)
        return result

    def _cached_outputs(
        self, find: Any, metadata_handle: Any, cache_context: Any
    ) -> Mapping[str, Sequence[Artifact]] | None:
        """Returns the newest cached outputs with unchanged files; None if there are none."""
        while True:
            outputs = find(metadata_handle=metadata_handle, cache_context=cache_context)
            if outputs is None or self._contents is None:
                return outputs
            for artifact in _flatten(outputs):
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
            print_notice(
                f"{damage}: this is an output of {self._node}, which was in the cache; "
                f"{self._node} runs again"
            )
            # The state ABANDONED keeps TFX's cache from using the changed artifact again: the cache
            # uses only artifacts in the state LIVE.
            artifact.mlmd_artifact.state = proto.Artifact.ABANDONED
            metadata_handle.store.put_artifacts([artifact.mlmd_artifact])


def _run_and_measure(execution_info: Any, executor: Any) -> Any:
    """Calls TFX's `run_with_executor`, and records time and memory in the executor's outputs."""
    executor.Do = record_usage(executor.Do, execution_info.pipeline_run_id)
    return _run_with_executor(execution_info, executor)


_run_with_executor = python_executor_operator.run_with_executor


def _directory(uri: str) -> str:
    """Returns the artifact's directory or, if the artifact is a file, the directory of the file."""
    return uri if Path(uri).is_dir() else str(Path(uri).parent)


def _flatten(artifacts: Mapping[str, Sequence[Artifact]]) -> list[Artifact]:
    return [artifact for of_key in artifacts.values() for artifact in of_key]


def _choose_unused_uri(uri: str) -> str:
    """Returns `uri` if nothing exists at `uri`, and a new URI otherwise.

    The new URI has a random suffix after the number of the execution. This number is the last part
    of `uri` or, if the artifact is a value in a file named `value`, the second-to-last part.
    """
    if not tf.io.gfile.exists(uri):
        return uri
    parts = uri.split("/")
    number = -2 if parts[-1] == "value" else -1
    parts[number] += f"-{uuid.uuid4().hex[:8]}"
    return "/".join(parts)
