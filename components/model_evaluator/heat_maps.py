"""Heat maps of the most probable wrong predictions, in a file that Evaluator writes for Report.

This module does not import TensorFlow, which takes seconds to import.
"""

import dataclasses
import json
from collections.abc import Sequence

from common.files import read_json, write_whole

_FILE = "heat_maps.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeatMaps:
    """The heat maps of a model.

    Attributes:
      method: "attention" or "occlusion"; see `trainer.heat_maps`.
      wanted: the number of images for which a heat map was requested. An image has no heat map if
        the time limit was reached before its heat map was computed, or if no part of the image
        supports the prediction.
      maps: maps the name of each image to its heat map, which consists of rows of values in [0, 1].
        The greatest value of each heat map is 1.
    """

    method: str
    wanted: int
    maps: dict[str, Sequence[Sequence[float]]]

    def write(self, evaluation: str) -> None:
        """Writes the heat maps into the ModelEvaluation artifact at the URI `evaluation`."""
        write_whole(f"{evaluation}/{_FILE}", json.dumps(dataclasses.asdict(self)))


def read_heat_maps(evaluation: str) -> HeatMaps | None:
    """Reads the heat maps of a ModelEvaluation artifact; returns None if the artifact has no heat
    maps.
    """
    values = read_json(f"{evaluation}/{_FILE}", "the heat maps of an evaluation")
    return HeatMaps(**values) if values else None
