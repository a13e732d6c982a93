"""The metrics that Evaluator computes, as TFMA's EvalConfig."""

from tensorflow_model_analysis.proto import config_pb2

from components.model_evaluator.calibration_metrics import CalibrationMetrics
from components.model_evaluator.reasons import ACCURACY


def make_eval_config() -> config_pb2.EvalConfig:
    """Returns the EvalConfig with which TFMA evaluates the exported model on raw test examples.

    TFMA computes each metric once from all images, and once for each class from the images of the
    class. The accuracy on the images of a class is the recall of the class, so the EvalConfig has
    no separate metric for recall. The EvalConfig has no thresholds, because TFMA's thresholds
    ignore the number of images. The module `components.model_evaluator.verdict` compares the
    metrics with the required values.
    """
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                signature_name="from_examples",
                label_key="label",
                prediction_key="probabilities",
            )
        ],
        # This SlicingSpec does not list the classes in `feature_values`, because TFMA would then
        # fail if the test split contains no image of a listed class.
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
