"""The settings of the gate in Evaluator.

This module imports neither TensorFlow nor TFX, which take seconds to import.
"""

import dataclasses

from common.custom_config import node_settings


@node_settings
@dataclasses.dataclass(frozen=True, kw_only=True)
class GateSettings:
    """The conditions under which the gate blesses a model.

    Attributes:
      min_accuracy: required accuracy, in [0, 1].
      min_class_recall: required recall of each class, in [0, 1]; None for no requirement.
      max_ece: greatest expected calibration error, in [0, 1]; None for no limit.
      min_coverage: required share of accepted predictions, in [0, 1]; None for no requirement.
      max_drop: the largest allowed drop in accuracy from the champion to the new model, in [0, 1].
      drop_must_be_significant: whether the gate accepts a drop of more than `max_drop` if the drop
        is not statistically significant.
      confidence: the one-sided confidence level, in [0, 1), of the lower bounds of accuracy and
        recall, which must reach the required values. If `confidence` is 0, the measured accuracy
        and recall must reach the required values.
      min_test_images: the required number of test images of each class; classes without any image
        in the dataset are exempt.
    """

    min_accuracy: float
    min_class_recall: float | None
    max_ece: float | None
    min_coverage: float | None
    max_drop: float
    drop_must_be_significant: bool
    confidence: float
    min_test_images: int
