"""Why a model was not blessed, in words."""

from collections.abc import Sequence
from typing import Any

REASONS = "reasons"  # custom property of a ModelBlessing that says no


def read_reasons(blessing: Any) -> str:
    """What the ModelBlessing artifact `blessing` says on why the model was not blessed."""
    return blessing.get_string_custom_property(REASONS) or "no reason given"


def reasons(validation: Any, classes: Sequence[str], metric: str) -> list[str]:
    """One line for each threshold that was not met.

    Args:
      validation: TFMA's ValidationResult.
      classes: the class names; the metric of a class's slice is its recall.
      metric: name of the metric over all classes.
    """
    lines = []
    for of_slice in validation.metric_validations_per_slice:
        keys = of_slice.slice_key.single_slice_keys
        name = f"recall of {classes[keys[0].int64_value]}" if keys else metric
        for failure in of_slice.failures:
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
