"""Executor of `ModelEvaluator`."""

from typing import Any

import tensorflow as tf
import tensorflow_model_analysis as tfma
from absl import logging
from tfx import types
from tfx.components.evaluator import constants, executor
from tfx.components.util import model_utils
from tfx.types import artifact_utils, standard_artifacts, standard_component_specs
from tfx.utils import path_utils

from common.lease import hold_lease
from common.notice import notice

# Imported for its code to be part of the fingerprint: the EvalConfig names it.
from components.model_evaluator import calibration_metrics  # noqa: F401
from components.model_evaluator.extractors import make_extractors
from components.model_evaluator.reasons import ACCURACY, REASONS, reasons
from components.model_evaluator.records import Blessing, last_blessed, record
from trainer.serving.exported_model import read_classes

# The champion is read from the records; as an execution property it is part of the cache key.
CHAMPION, RECORDS, TRAINING = "champion", "records", "training"
# TFX takes a function by its import path.
EXTRACTORS = {"custom_extractors": f"{make_extractors.__module__}.{make_extractors.__name__}"}


class Executor(executor.Executor):
    """TFX's, with the baseline from our records; says why, and records what was blessed."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluates the model against the last blessed one of another training.

        The blessing gets the custom property `reasons` where it says no, and `accuracy` where it
        says yes. A blessing is recorded
        only if nobody recorded one since the comparison: else the model is compared again.

        Raises:
          InputError: the last blessed model is damaged.
        """
        properties = dict(exec_properties)
        properties.pop(CHAMPION)
        records, training = properties.pop(RECORDS), properties.pop(TRAINING)
        model = artifact_utils.get_single_uri(input_dict[standard_component_specs.MODEL_KEY])
        classes = read_classes(path_utils.serving_model_path(model)) or []
        champion = last_blessed(records, classes, other_than=training)
        while self._is_blessed(champion, input_dict, output_dict, properties):
            tf.io.gfile.makedirs(records)
            with hold_lease(f"{records}/.lease", "the records of blessed models"):
                now = last_blessed(records, classes, other_than=training)
                if _name(now) == _name(champion):
                    record(records, model, training)
                    _blessing_of(output_dict).set_string_custom_property(
                        ACCURACY, f"{read_accuracy(_evaluation_of(output_dict)):.4f}"
                    )
                    return
            notice(
                "Another run's model was blessed since this one was compared: it is compared again."
            )
            champion = now
            for artifact in (a for artifacts in output_dict.values() for a in artifacts):
                _empty(artifact.uri)
        blessing = _blessing_of(output_dict)
        lines = reasons(tfma.load_validation_result(_evaluation_of(output_dict)), classes)
        why = "; ".join(lines)
        blessing.set_string_custom_property(REASONS, why)
        logging.warning("The model is not blessed: %s.", why)

    def _is_blessed(
        self,
        champion: Blessing | None,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        properties: dict[str, Any],
    ) -> bool:
        """Evaluates the model as TFX's Evaluator does; returns its verdict."""
        inputs = dict(input_dict)
        if champion is not None:
            champion.check_copy()
            baseline = standard_artifacts.Model()
            baseline.uri = champion.model
            inputs[standard_component_specs.BASELINE_MODEL_KEY] = [baseline]
        super().Do(inputs, output_dict, properties | EXTRACTORS)
        blessing = _blessing_of(output_dict)
        # The baseline has a URI but no id: TFX's container entry point fails if an artifact has an
        # id that it did not assign.
        blessing.mlmd_artifact.custom_properties.pop(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, None
        )
        return model_utils.is_model_blessed(blessing)


def _blessing_of(output_dict: dict[str, list[types.Artifact]]) -> types.Artifact:
    return artifact_utils.get_single_instance(output_dict[standard_component_specs.BLESSING_KEY])


def _evaluation_of(output_dict: dict[str, list[types.Artifact]]) -> str:
    return artifact_utils.get_single_uri(output_dict[standard_component_specs.EVALUATION_KEY])


def read_accuracy(evaluation: str) -> float:
    """Reads the accuracy on the test split, in [0, 1], from the evaluation at a URI."""
    metrics = tfma.load_eval_result(evaluation).get_metrics_for_slice()
    return float(metrics[ACCURACY]["doubleValue"])


def _name(blessing: Blessing | None) -> str | None:
    return blessing.record if blessing else None


def _empty(directory: str) -> None:
    """TFX adds its verdict to what lies there."""
    if tf.io.gfile.exists(directory):
        tf.io.gfile.rmtree(directory)
    tf.io.gfile.makedirs(directory)
