"""Pusher's verdict, a small JSON file that is read without TFX.

The API of Kubeflow Pipelines reports whether a run succeeded, but not the metadata of its
artifacts, so `pipeline.runners.kubeflow` reads this file. Imports neither TensorFlow nor TFX.
"""

import dataclasses
import json
from typing import Any

OUTPUT = "verdict"  # the name of ModelPusher's output, a String artifact whose URI is the file


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether a run pushed its model.

    Attributes:
      pushed: whether the model is in the serving directory now; also True if it was there before.
      reason: the reason why the model was not pushed; empty if it was.
    """

    pushed: bool
    reason: str

    def to_json(self) -> str:
        """Returns the content of the file, one line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, content: Any) -> "Verdict | None":
        """Returns the verdict in decoded JSON; None if the JSON is no verdict."""
        match content:
            case {"pushed": bool(pushed), "reason": str(reason)}:
                return cls(pushed, reason)
        return None
