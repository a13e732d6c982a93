"""Executor of `ModelEvaluator`."""

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from absl import logging
from tfx import types
from tfx.components.evaluator import constants, executor
from tfx.types import artifact_utils, standard_artifacts, standard_component_specs
from tfx.utils import io_utils, path_utils

from common.custom_config import from_custom_config
from common.lease import hold_lease
from common.notice import print_notice
from components.image_example_gen.counts import READ, read_counts_of_classes

# `calibration_metrics` is imported only for the node's code fingerprint, which covers the imported
# modules. The EvalConfig refers to the metrics by the name of their class, without an import.
from components.model_evaluator import calibration_metrics  # noqa: F401
from components.model_evaluator.explain_mistakes import explain_mistakes
from components.model_evaluator.extractors import make_extractors
from components.model_evaluator.kept_models import keep_models
from components.model_evaluator.predictions import read_predictions
from components.model_evaluator.predictions_writer import write_predictions_to
from components.model_evaluator.reasons import ACCURACY, REASONS
from components.model_evaluator.records import Blessing, last_blessed, record
from components.model_evaluator.settings import GateSettings
from components.model_evaluator.verdict import Verdict, judge
from trainer.serving.exported_model import read_classes

# The execution property CHAMPION makes the champion a part of the cache key. The executor ignores
# CHAMPION, and finds the champion in the records of blessed models.
CHAMPION, RECORDS, TRAINING, GATE = "champion", "records", "training", "gate"
DATA = "data"  # execution property: fingerprint of the examples
HEAT_MAP_SECONDS = "heat_map_seconds"
# The execution property in which TFX expects the import path of a function that returns extractors.
EXTRACTORS = {"custom_extractors": f"{make_extractors.__module__}.{make_extractors.__name__}"}


class Executor(executor.Executor):
    """TFX's executor of Evaluator, extended by this project's gate, which decides whether the model
    is blessed.

    TFX blesses a model whose metrics are within the thresholds of the EvalConfig. This project's
    EvalConfig has no thresholds, because TFMA compares thresholds with measured values, whereas the
    gate compares the lower confidence bounds of accuracy and recall with the required values. The
    gate computes its verdict from the table of predictions that Evaluator writes.
    """

    @keep_models()
    def Do(  # noqa: N802 (TFX requires this name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluates the new model, and compares it with the champion.

        The champion is the last blessed model that comes from a different training than the new
        model.

        Writes the verdict, and heat maps of wrong predictions, to the ModelEvaluation artifact.
        Writes the ModelBlessing artifact in the format of TFX's Evaluator, with the additional
        custom property `accuracy`. If the model is not blessed, the custom property `reasons` of
        the ModelBlessing artifact states why. If another run blesses a model during the evaluation,
        the new model is also compared with that model before the new model is blessed.

        Raises:
          InputError: the last blessed model is damaged.
        """
        properties = dict(exec_properties)
        properties.pop(CHAMPION)
        records, training = properties.pop(RECORDS), properties.pop(TRAINING)
        data, heat_map_seconds = properties.pop(DATA), properties.pop(HEAT_MAP_SECONDS)
        gate = from_custom_config(GateSettings, properties.pop(GATE))
        model = artifact_utils.get_single_uri(input_dict[standard_component_specs.MODEL_KEY])
        examples = artifact_utils.get_single_uri(input_dict[standard_component_specs.EXAMPLES_KEY])
        evaluation = artifact_utils.get_single_uri(
            output_dict[standard_component_specs.EVALUATION_KEY]
        )
        classes = read_classes(path_utils.serving_model_path(model)) or []
        counts = read_counts_of_classes(examples, len(classes))
        champion = last_blessed(records, classes, other_than=training)
        while True:
            self._evaluate(champion, input_dict, output_dict, properties)
            verdict = judge(read_predictions(evaluation), classes, counts[READ], gate)
            if not verdict.blessed:
                break
            tf.io.gfile.makedirs(records)
            with hold_lease(f"{records}/.lease", "the records of blessed models"):
                now = last_blessed(records, classes, other_than=training)
                if _name(now) == _name(champion):
                    record(records, model, training, data=data, class_counts=counts["train"])
                    break
            print_notice(
                "Another run blessed a model meanwhile; this model is compared with that model too."
            )
            champion = now
            _empty(evaluation)
        verdict.write(evaluation)
        heat_maps = explain_mistakes(
            read_predictions(evaluation),
            model=path_utils.serving_model_path(model),
            classes=classes,
            test_split=artifact_utils.get_split_uri(
                input_dict[standard_component_specs.EXAMPLES_KEY], "test"
            ),
            seconds=heat_map_seconds,
        )
        if heat_maps is not None:
            heat_maps.write(evaluation)
        _write_blessing(verdict, model, champion, output_dict)

    def _evaluate(
        self,
        champion: Blessing | None,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        properties: dict[str, Any],
    ) -> None:
        """Runs TFX's Evaluator on the new model, and on the champion if there is one."""
        inputs = dict(input_dict)
        if champion is not None:
            champion.check_copy()
            baseline = standard_artifacts.Model()
            baseline.uri = champion.model
            inputs[standard_component_specs.BASELINE_MODEL_KEY] = [baseline]
        evaluation = output_dict[standard_component_specs.EVALUATION_KEY]
        with (
            write_predictions_to(artifact_utils.get_single_uri(evaluation)),
            _full_precision(),
        ):
            super().Do(inputs, output_dict, properties | EXTRACTORS)


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """A context manager that makes GPUs compute with full float32 precision, like the CPU on which
    ServingCheck runs the model.

    By default, TensorFlow on a GPU rounds the inputs of matrix multiplications to TensorFloat-32,
    which has a mantissa of 10 bits.
    """
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def _write_blessing(
    verdict: Verdict,
    model: str,
    champion: Blessing | None,
    output_dict: dict[str, list[types.Artifact]],
) -> None:
    """Writes the ModelBlessing artifact in the format of TFX's Evaluator, but without the ids of
    the Model artifacts.

    The corresponding code of TFX is at the end of `Do` in tfx/components/evaluator/executor.py.
    """
    blessing = artifact_utils.get_single_instance(
        output_dict[standard_component_specs.BLESSING_KEY]
    )
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model)
    if champion is not None:
        blessing.set_string_custom_property(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, champion.model
        )
    name, value = (
        (constants.BLESSED_FILE_NAME, constants.BLESSED_VALUE)
        if verdict.blessed
        else (constants.NOT_BLESSED_FILE_NAME, constants.NOT_BLESSED_VALUE)
    )
    io_utils.write_string_file(f"{blessing.uri}/{name}", "")
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)
    for limit in verdict.limits:
        if limit.name == ACCURACY:
            blessing.set_string_custom_property(ACCURACY, f"{limit.value:.4f}")
    if not verdict.blessed:
        why = "; ".join(verdict.reasons)
        blessing.set_string_custom_property(REASONS, why)
        logging.warning("The model is not blessed: %s.", why)


def _name(blessing: Blessing | None) -> str | None:
    return blessing.record if blessing else None


def _empty(directory: str) -> None:
    """Removes all files in a directory."""
    if tf.io.gfile.exists(directory):
        tf.io.gfile.rmtree(directory)
    tf.io.gfile.makedirs(directory)
