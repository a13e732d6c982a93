"""Passes the description of Trainer's custom job from the first step of a run to Trainer's step.

The description of the job is in a file, and not in an execution property. Execution properties are
part of TFX's cache key, but the machines in the description do not affect the trained model. If a
user changes only the machines of the job, a run can take the model from the cache, or resume from
existing checkpoints.
"""

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

from tfx import types
from tfx.dsl.io import fileio

from common.files import write_whole

_FILE = "trainer_job.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class JobRequest:
    """The description of a custom job.

    Attributes:
      job: what the job runs and on which machines, as `job_args` for TFX's `start_cloud_training`.
      region: the region in which the job is submitted.
    """

    job: dict[str, Any]
    region: str


def write_job_request(outputs: Mapping[str, list[types.Artifact]], request: JobRequest) -> None:
    """Writes the description of the job into the directory of the run.

    Args:
      outputs: the output artifacts of the calling step.
      request: the description of the job.
    """
    write_whole(_path(outputs), json.dumps(dataclasses.asdict(request)))


def read_job_request(outputs: Mapping[str, list[types.Artifact]]) -> JobRequest:
    """Reads the description of the job, which the first step of the run has written.

    Args:
      outputs: the output artifacts of the calling step.
    """
    with fileio.open(_path(outputs)) as file:
        return JobRequest(**json.loads(file.read()))


def _path(outputs: Mapping[str, list[types.Artifact]]) -> str:
    """Returns the path of the file with the description of the job.

    The file is in the directory RUN of the run, and the directory of an output artifact is
    RUN/STEP/NAME.
    """
    (artifact,) = next(iter(outputs.values()))
    return os.path.join(os.path.dirname(os.path.dirname(artifact.uri)), _FILE)
