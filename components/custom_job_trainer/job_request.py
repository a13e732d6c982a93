"""Passes the custom job that a run requests from the first step to Trainer, in a file.

It is no execution property, because the machines of a training do not change its result: with
other machines, Trainer must still be cached, and still resume from the checkpoints of earlier runs.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

from tfx import types
from tfx.dsl.io import fileio

_FILE = "trainer_job.json"


def write_job_request(
    outputs: Mapping[str, list[types.Artifact]], request: Mapping[str, Any]
) -> None:
    """Writes the custom job that a run requests.

    Args:
      outputs: the output artifacts of the calling step.
      request: the key `job` with the custom job, in the form for
        `tfx.extensions.google_cloud_ai_platform`, and the key `region`.
    """
    with fileio.open(_path(outputs), "w") as file:
        file.write(json.dumps(request))


def read_job_request(outputs: Mapping[str, list[types.Artifact]]) -> dict[str, Any]:
    """Reads the custom job that the run of a step requests, as `write_job_request` wrote it.

    Args:
      outputs: the output artifacts of the calling step.
    """
    with fileio.open(_path(outputs)) as file:
        return json.loads(file.read())


def _path(outputs: Mapping[str, list[types.Artifact]]) -> str:
    """Returns a path in the directory of the run: Vertex AI's artifacts lie in RUN/STEP/output."""
    (artifact,) = next(iter(outputs.values()))
    return os.path.join(os.path.dirname(os.path.dirname(artifact.uri)), _FILE)
