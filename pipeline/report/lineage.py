"""Reads the nodes and artifacts of a pipeline run from its metadata store."""

import dataclasses
from typing import Any

from ml_metadata import proto
from tfx.orchestration import metadata
from tfx.types import artifact_utils


@dataclasses.dataclass(frozen=True)
class NodeRun:
    """The execution of one node in one run of the pipeline.

    Attributes:
      cached: whether the node took its outputs from an earlier run.
      outputs: the artifacts by output key.
    """

    cached: bool
    outputs: dict[str, list[Any]]


def latest_run(connection: Any) -> dict[str, NodeRun]:
    """Returns the nodes of the newest pipeline run, by node id, in the order in which they ran.

    Args:
      connection: the ML Metadata ConnectionConfig of the metadata store.
    """
    with metadata.Metadata(connection) as handle:
        store = handle.store
        run = _find_newest_run(store)
        return {
            _node_id(store, execution): NodeRun(
                execution.last_known_state == proto.Execution.CACHED, _outputs(store, execution)
            )
            for execution in sorted(
                store.get_executions_by_context(run.id), key=lambda execution: execution.id
            )
        }


def latest_run_id(connection: Any) -> str:
    """Returns the id of the newest pipeline run, which TFX also passes to the run's executors."""
    with metadata.Metadata(connection) as handle:
        return _find_newest_run(handle.store).name


def _find_newest_run(store: Any) -> Any:
    return max(store.get_contexts_by_type("pipeline_run"), key=lambda context: context.id)


def _node_id(store: Any, execution: Any) -> str:
    contexts = {c.type: c.name for c in store.get_contexts_by_execution(execution.id)}
    return contexts["node"].removeprefix(f"{contexts['pipeline']}.")


def _outputs(store: Any, execution: Any) -> dict[str, list[Any]]:
    keys = {
        event.artifact_id: event.path.steps[0].key
        for event in store.get_events_by_execution_ids([execution.id])
        if event.type == proto.Event.OUTPUT
    }
    outputs: dict[str, list[Any]] = {}
    for artifact in store.get_artifacts_by_id(list(keys)):
        (artifact_type,) = store.get_artifact_types_by_id([artifact.type_id])
        deserialized = artifact_utils.deserialize_artifact(artifact_type, artifact)
        outputs.setdefault(keys[artifact.id], []).append(deserialized)
    return outputs
