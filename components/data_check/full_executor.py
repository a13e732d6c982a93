"""Executor of `FullDataCheck`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tfx import types
from tfx.types import artifact_utils

from components.data_check import executor
from components.data_check.features import FeatureReader
from components.data_check.full_check import find_all_issues
from components.data_check.issues import KINDS, Issue
from components.data_check.measure import ImageRecord
from components.examples import list_splits
from trainer.preprocessing import CHUNK

BACKBONE, FEATURES, INPUT_RANGE = "backbone", "transformed_examples", "input_range"


class Executor(executor.Executor):
    """Executor of `FullDataCheck`, which finds issues with the features of a backbone."""

    _chunk = CHUNK
    _examined = tuple(KINDS)

    def _find_issues(
        self,
        measured: executor.MeasuredImages,
        classes: Sequence[str],
        input_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> tuple[list[ImageRecord], list[Issue]]:
        transformed = input_dict.get(FEATURES) or []
        reader = FeatureReader(
            [uri for artifact in transformed for uri in list_splits(artifact)],
            artifact_utils.get_single_uri(input_dict[BACKBONE]),
            exec_properties[INPUT_RANGE],
        )
        records: list[ImageRecord] = []
        features: list[np.ndarray] = []
        for chunk, images in measured:
            records += chunk
            features.append(reader.read(images))
        return records, find_all_issues(records, np.concatenate(features), classes)
