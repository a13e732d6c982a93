"""Executor of `FullDataCheck`."""

from collections.abc import Sequence
from typing import Any

from tfx import types
from tfx.types import artifact_utils

from components.data_check import executor
from components.data_check.features import compute_features
from components.data_check.full_check import find_all_issues
from components.data_check.issues import KINDS, Issue
from components.data_check.measure import ImageRecord
from components.examples import list_splits

BACKBONE, FEATURES, INPUT_RANGE = "backbone", "transformed_examples", "input_range"


class Executor(executor.Executor):
    """The data check with the features of a backbone."""

    _examined = tuple(KINDS)

    def _find_issues(
        self,
        records: Sequence[ImageRecord],
        classes: Sequence[str],
        input_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> list[Issue]:
        examples = artifact_utils.get_single_instance(input_dict[executor.EXAMPLES])
        transformed = input_dict.get(FEATURES) or []
        features = compute_features(
            list_splits(examples),
            [uri for artifact in transformed for uri in list_splits(artifact)],
            artifact_utils.get_single_uri(input_dict[BACKBONE]),
            exec_properties[INPUT_RANGE],
        )
        return find_all_issues(records, features, classes)
