"""Records the time and the memory of a node in its output artifacts.

Report reads the time and the memory from the artifacts, so it can also show them for nodes that ran
on a cluster, and for nodes whose outputs were taken from the cache.
"""

import contextlib
import dataclasses
import datetime
import json
import os
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from common.memory import peak_memory

USAGE = "usage"  # output artifacts store the usage in this custom property
_Artifacts = Mapping[str, Sequence[Any]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Usage:
    """The time and the memory of one execution of a node.

    Attributes:
      started: start in UTC, such as 2026-01-31 12:00:00.
      seconds: duration of the execution.
      peak_mb: the peak memory of the node's process during the execution, in MiB, without the
        memory of child processes.
      run: the id of the run that executed the node; empty if the node ran on a cluster.
    """

    started: str
    seconds: float
    peak_mb: int
    run: str = ""


def record_usage(
    do: Callable[[_Artifacts, _Artifacts, Mapping[str, Any]], Any], run: str = ""
) -> Callable[[_Artifacts, _Artifacts, Mapping[str, Any]], Any]:
    """Returns a function that calls `do`, and records the time and the memory of the call in the
    output artifacts.

    Args:
      do: the method `Do` of a TFX executor, which takes the input artifacts, the output artifacts
        and the execution properties.
      run: id of the run.
    """

    def measured(inputs: _Artifacts, outputs: _Artifacts, properties: Mapping[str, Any]) -> Any:
        started = datetime.datetime.now(datetime.UTC)
        before = time.monotonic()
        _reset_peak()
        result = do(inputs, outputs, properties)
        usage = Usage(
            started=started.strftime("%Y-%m-%d %H:%M:%S"),
            seconds=round(time.monotonic() - before, 3),
            peak_mb=_read_peak(),
            run=run,
        )
        text = json.dumps(dataclasses.asdict(usage))
        for artifact in (artifact for artifacts in outputs.values() for artifact in artifacts):
            artifact.set_string_custom_property(USAGE, text)
        # Some executors, such as TFX's ExampleValidator, return copies of the output artifacts in
        # an ExecutorOutput. If an executor returns copies, TFX stores only the copies, so the usage
        # must be recorded in the copies as well as in `outputs`.
        for copies in getattr(result, "output_artifacts", {}).values():
            for copy in copies.artifacts:
                copy.custom_properties[USAGE].string_value = text
        return result

    return measured


def read_usage(artifact: Any) -> Usage | None:
    """Returns the usage that an artifact stores; None if the artifact stores no usage."""
    text = artifact.get_string_custom_property(USAGE)
    return Usage(**json.loads(text)) if text else None


def _reset_peak() -> None:
    """Resets the peak memory of this process, which would otherwise include earlier nodes that ran
    in the same process (see /proc/pid/clear_refs in proc(5)).
    """
    with contextlib.suppress(OSError):  # some kernels and sandboxes do not have `clear_refs`
        Path("/proc/self/clear_refs").write_text("5")


def _read_peak() -> int:
    # In some sandboxes, /proc does not contain the peak memory of a process, so `getrusage` is the
    # fallback.
    peak = peak_memory(os.getpid()) or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return peak // 2**20
