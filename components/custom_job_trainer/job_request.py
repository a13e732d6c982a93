"""The custom job that a run asks for, as its first step leaves it for Trainer.

It is no execution property, though the first step gives the others those: what a training is
computed on does not change what it is, so it must neither keep a result from being taken from the
cache, nor a training from going on from the checkpoints that other machines left.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

from tfx import types
from tfx.dsl.io import fileio

_FILE = "trainer_job.json"


def write_job_request(
    outputs: Mapping[str, list[types.Artifact]], order: Mapping[str, Any]
) -> None:
    """Writes the order of a run.

    Args:
      outputs: of the step that calls.
      order: `job`, as `tfx.extensions.google_cloud_ai_platform` takes it, and its `region`.
    """
    with fileio.open(_path(outputs), "w") as file:
        file.write(json.dumps(order))


def read_job_request(outputs: Mapping[str, list[types.Artifact]]) -> dict[str, Any]:
    """The order of the run that a step belongs to.

    Args:
      outputs: of the step that calls.
    """
    with fileio.open(_path(outputs)) as file:
        return json.loads(file.read())


def _path(outputs: Mapping[str, list[types.Artifact]]) -> str:
    """In the directory of the run: Vertex AI has a step write `output` to RUN/STEP/output."""
    (artifact,) = next(iter(outputs.values()))
    return os.path.join(os.path.dirname(os.path.dirname(artifact.uri)), _FILE)
