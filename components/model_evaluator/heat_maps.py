"""The file with heat maps of the most probable wrong predictions, which Evaluator writes and Report
shows.

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
      wanted: number of images for which maps were wanted. There are fewer maps if the time was up,
        or if no part of an image supports the prediction.
      maps: for each image, by its name, rows of values in [0, 1]; the greatest value is 1.
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
