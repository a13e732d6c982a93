"""Executor of `ModelEvaluator`."""

from typing import Any

import tensorflow_model_analysis as tfma
from absl import logging
from tfx import types
from tfx.components.evaluator import constants, executor
from tfx.components.util import model_utils
from tfx.types import artifact_utils, standard_artifacts, standard_component_specs
from tfx.utils import path_utils

# Imported for its code to be part of the fingerprint: the EvalConfig names it.
from components.model_evaluator import calibration_metrics  # noqa: F401
from components.model_evaluator.extractors import make_extractors
from components.model_evaluator.reasons import REASONS, reasons
from components.model_evaluator.records import NONE, record
from trainer.serving.exported_model import read_classes

BASELINE, RECORDS = "baseline", "records"
ACCURACY = "accuracy"
# TFX takes a function by its import path.
EXTRACTORS = {"custom_extractors": f"{make_extractors.__module__}.{make_extractors.__name__}"}


class Executor(executor.Executor):
    """TFX's, with the baseline by URI; says why, and records what was blessed."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """As TFX's; the blessing gets the custom property `reasons` where it says no."""
        properties = dict(exec_properties)
        baseline, records = properties.pop(BASELINE), properties.pop(RECORDS)
        inputs = dict(input_dict)
        if baseline != NONE:
            artifact = standard_artifacts.Model()
            artifact.uri = baseline
            inputs[standard_component_specs.BASELINE_MODEL_KEY] = [artifact]
        super().Do(inputs, output_dict, properties | EXTRACTORS)
        blessing = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.BLESSING_KEY]
        )
        # The baseline is known by its URI; TFX's container entry point fails on an id that it did
        # not give.
        blessing.mlmd_artifact.custom_properties.pop(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, None
        )
        model = artifact_utils.get_single_uri(inputs[standard_component_specs.MODEL_KEY])
        if model_utils.is_model_blessed(blessing):
            record(records, model)
            return
        evaluation = artifact_utils.get_single_uri(
            output_dict[standard_component_specs.EVALUATION_KEY]
        )
        why = "; ".join(
            reasons(
                tfma.load_validation_result(evaluation),
                read_classes(path_utils.serving_model_path(model)) or (),
            )
        )
        blessing.set_string_custom_property(REASONS, why)
        logging.warning("The model is not blessed: %s.", why)
