"""Pusher's verdict, as one small JSON file that is read without TFX.

The API of Kubeflow Pipelines tells of a run whether it succeeded, but nothing of its artifacts;
`pipeline.runners.kubeflow` reads this file instead. Imports neither TensorFlow nor TFX.
"""

import dataclasses
import json
from typing import Any

OUTPUT = "verdict"  # ModelPusher's output of this name: a String artifact, whose URI is the file


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether a run pushed its model.

    Attributes:
      pushed: True if the model is served now, also where it was served already.
      reason: why it was not pushed; empty where it was.
    """

    pushed: bool
    reason: str

    def to_json(self) -> str:
        """The content of the file: one line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, content: Any) -> "Verdict | None":
        """The verdict in `content`, which is decoded JSON; None if it is something else."""
        match content:
            case {"pushed": bool(pushed), "reason": str(reason)}:
                return cls(pushed, reason)
        return None
