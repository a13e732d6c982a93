"""The settings that the pipeline gives to Evaluator's gate. This module imports neither TensorFlow
nor TFX.
"""

import dataclasses

from common.custom_config import node_settings


@node_settings
@dataclasses.dataclass(frozen=True, kw_only=True)
class GateSettings:
    """The conditions under which a model is blessed, as an execution property.

    Attributes:
      min_accuracy: required accuracy, in [0, 1].
      min_class_recall: required recall of each class, in [0, 1]; None for no requirement.
      max_ece: greatest expected calibration error, in [0, 1]; None for no limit.
      min_coverage: required share of accepted predictions, in [0, 1]; None for no requirement.
      max_drop: largest allowed drop in accuracy from the champion, in [0, 1].
      drop_must_be_significant: whether only a statistically significant drop is refused.
      confidence: one-sided confidence of the comparison with required values, in [0, 1); 0 compares
        the measured values themselves.
      min_test_images: the required number of test images of each class that has images in the
        source.
    """

    min_accuracy: float
    min_class_recall: float | None
    max_ece: float | None
    min_coverage: float | None
    max_drop: float
    drop_must_be_significant: bool
    confidence: float
    min_test_images: int
