"""Which model a new one is compared with."""

from collections.abc import Sequence

from tfx import types
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
    LatestBlessedModelStrategy,
)
from tfx.dsl.io import fileio
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from trainer.serving import read_classes


class ComparableModelStrategy(LatestBlessedModelStrategy):
    """The last blessed model that is still there and has the same classes.

    TFX's own strategy looks at metadata alone: it would hand over a model whose files were deleted,
    and one whose answers mean something else.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        """
        Args:
          classes: names, in the order of the model's outputs.
        """
        self._classes = list(classes)

    def resolve_artifacts(
        self, store: object, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """As of its base class, of the models that can be compared."""
        return super().resolve_artifacts(
            store,
            {
                key: [artifact for artifact in artifacts if self._is_comparable(artifact)]
                for key, artifacts in input_dict.items()
            },
        )

    def _is_comparable(self, artifact: types.Artifact) -> bool:
        if not isinstance(artifact, standard_artifacts.Model):
            return True
        model = path_utils.serving_model_path(artifact.uri)
        return fileio.exists(f"{model}/saved_model.pb") and read_classes(model) == self._classes
