"""Describes, in words, why a model was not blessed."""

from collections.abc import Sequence
from typing import Any

REASONS = "reasons"  # custom property of the ModelBlessing of a model that was not blessed


def read_reasons(blessing: Any) -> str:
    """Returns the reasons that a ModelBlessing artifact has for not blessing the model."""
    return blessing.get_string_custom_property(REASONS) or "no reason given"


def reasons(validation: Any, classes: Sequence[str], metric: str) -> list[str]:
    """Returns one line for each threshold that was not met.

    Args:
      validation: TFMA's ValidationResult.
      classes: the class names; in the slice of a class, the metric is the recall of the class.
      metric: the name of the metric over all classes.
    """
    lines = []
    for result in validation.metric_validations_per_slice:
        keys = result.slice_key.single_slice_keys
        name = f"recall of {classes[keys[0].int64_value]}" if keys else metric
        for failure in result.failures:
            value = failure.metric_value.double_value.value
            threshold = failure.metric_threshold
            if threshold.HasField("change_threshold"):
                allowed = -threshold.change_threshold.absolute.value
                lines.append(
                    f"{name} is {-value:.4f} below the last blessed model's; allowed {allowed:.4f}"
                )
            else:
                floor = threshold.value_threshold.lower_bound.value
                lines.append(f"{name} {value:.4f} is {floor - value:.4f} below {floor:.4f}")
    return lines
