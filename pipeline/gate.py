"""The gate: which model is blessed, as TFMA's EvalConfig."""

from typing import Any

from tensorflow_model_analysis.proto import config_pb2

from components.model_evaluator.calibration_metrics import COVERAGE, ECE, CalibrationMetrics
from components.model_evaluator.executor import ACCURACY
from pipeline.options.config import Gate

# A model that is exactly as good as the last one passes in spite of rounding.
_ROUNDING = 1e-6
_SIGN = {"lower_bound": -1, "upper_bound": 1}


def make_eval_config(gate: Gate) -> config_pb2.EvalConfig:
    """Thresholds on the exported model's answers to raw examples.

    A model is blessed if its accuracy on the test split clears the floor, the recall of each class
    clears its own where one is set, and accuracy is not below the last blessed model's by more than
    is allowed; and calibration error and coverage clear theirs where they are set. Accuracy on the
    examples of one class is that class's recall. Thresholds are given per slice: TFMA applies
    others to every slice, the smallest classes included.
    """
    overall = config_pb2.PerSliceMetricThreshold(
        slicing_specs=[config_pb2.SlicingSpec()],
        threshold=config_pb2.MetricThreshold(
            value_threshold=config_pb2.GenericValueThreshold(
                lower_bound={"value": gate.min_accuracy - _ROUNDING}
            ),
            change_threshold=config_pb2.GenericChangeThreshold(
                absolute={"value": -gate.max_drop - _ROUNDING},
                direction=config_pb2.MetricDirection.HIGHER_IS_BETTER,
            ),
        ),
    )
    # feature_keys, not feature_values: the latter fail where a class is absent from the test split.
    by_class = config_pb2.SlicingSpec(feature_keys=["label"])
    thresholds = [overall]
    if gate.min_class_recall is not None:
        thresholds.append(
            config_pb2.PerSliceMetricThreshold(
                slicing_specs=[by_class],
                threshold=config_pb2.MetricThreshold(
                    value_threshold=config_pb2.GenericValueThreshold(
                        lower_bound={"value": gate.min_class_recall - _ROUNDING}
                    )
                ),
            )
        )
    bounds = {
        COVERAGE: ("lower_bound", gate.min_coverage),
        ECE: ("upper_bound", gate.max_ece),
    }
    calibration = {
        name: config_pb2.PerSliceMetricThresholds(
            thresholds=[_overall({bound: {"value": value + _SIGN[bound] * _ROUNDING}})]
        )
        for name, (bound, value) in bounds.items()
        if value is not None
    }
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                signature_name="from_examples",
                label_key="label",
                prediction_key="probabilities",
            )
        ],
        slicing_specs=[config_pb2.SlicingSpec(), by_class],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[
                    config_pb2.MetricConfig(
                        class_name="SparseCategoricalAccuracy",
                        config=f'"name": "{ACCURACY}"',
                        per_slice_thresholds=thresholds,
                    ),
                    config_pb2.MetricConfig(class_name="ExampleCount"),
                    config_pb2.MetricConfig(
                        class_name=CalibrationMetrics.__name__,
                        module=CalibrationMetrics.__module__,
                    ),
                ],
                per_slice_thresholds=calibration,
            )
        ],
    )


def _overall(bound: dict[str, Any]) -> config_pb2.PerSliceMetricThreshold:
    """A threshold on all test images together."""
    return config_pb2.PerSliceMetricThreshold(
        slicing_specs=[config_pb2.SlicingSpec()],
        threshold=config_pb2.MetricThreshold(
            value_threshold=config_pb2.GenericValueThreshold(**bound)
        ),
    )
