"""The gate, which decides whether a model is blessed, as TFMA's EvalConfig."""

from typing import Any

from tensorflow_model_analysis.proto import config_pb2

from components.model_evaluator.calibration_metrics import COVERAGE, ECE, CalibrationMetrics
from components.model_evaluator.executor import ACCURACY
from pipeline.options.gate import Gate

# A tolerance for rounding errors: a model exactly as good as the last one must pass.
_ROUNDING = 1e-6
_SIGN = {"lower_bound": -1, "upper_bound": 1}


def make_eval_config(gate: Gate) -> config_pb2.EvalConfig:
    """Returns the thresholds that the exported model must reach on raw test examples.

    A model is blessed if all of these conditions hold. Its accuracy on the test split is at least
    `gate.min_accuracy`; the recall of each class is at least `gate.min_class_recall`, if that is
    given; its accuracy is at most `gate.max_drop` below that of the last blessed model; its
    expected calibration error is at most `gate.max_ece`, and its coverage at least
    `gate.min_coverage`, if these are given. The recall of a class is the accuracy on its examples.
    Every threshold names its slice, because TFMA applies other thresholds to every slice, even to
    the smallest class.
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
    # feature_keys, because feature_values fail if a class is absent from the test split.
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
