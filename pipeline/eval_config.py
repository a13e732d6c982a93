"""The metrics that Evaluator computes, as TFMA's EvalConfig."""

from tensorflow_model_analysis.proto import config_pb2

from components.model_evaluator.calibration_metrics import CalibrationMetrics
from components.model_evaluator.reasons import ACCURACY


def make_eval_config() -> config_pb2.EvalConfig:
    """Returns the metrics of the exported model on raw test examples, in total and by class.

    The accuracy on the images of a class is the recall of the class. The EvalConfig has no
    thresholds, because TFMA ignores the number of images when it compares values with thresholds.
    `components.model_evaluator.verdict` contains the gate.
    """
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                signature_name="from_examples",
                label_key="label",
                prediction_key="probabilities",
            )
        ],
        # `feature_keys` is used instead of `feature_values`, which fails if a class is absent from
        # the test split.
        slicing_specs=[
            config_pb2.SlicingSpec(),
            config_pb2.SlicingSpec(feature_keys=["label"]),
        ],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[
                    config_pb2.MetricConfig(
                        class_name="SparseCategoricalAccuracy",
                        config=f'"name": "{ACCURACY}"',
                    ),
                    config_pb2.MetricConfig(class_name="ExampleCount"),
                    config_pb2.MetricConfig(
                        class_name=CalibrationMetrics.__name__,
                        module=CalibrationMetrics.__module__,
                    ),
                ],
            )
        ],
    )
