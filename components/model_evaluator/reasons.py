"""Describes, in words, why a model was not blessed."""

from collections.abc import Sequence
from typing import Any

# Custom properties of a ModelBlessing: of a model that was not blessed, and of one that was.
REASONS = "reasons"
ACCURACY = "accuracy"  # on the test split, a decimal number; the metric has the same name


def read_reasons(blessing: Any) -> str:
    """Returns the reasons that a ModelBlessing artifact has for not blessing the model."""
    return blessing.get_string_custom_property(REASONS) or "no reason given"


def reasons(validation: Any, classes: Sequence[str]) -> list[str]:
    """Returns one line for each threshold that was not met.

    Args:
      validation: TFMA's ValidationResult.
      classes: the class names; in the slice of a class, the accuracy is the recall of the class.
    """
    lines = []
    for result in validation.metric_validations_per_slice:
        keys = result.slice_key.single_slice_keys
        for failure in result.failures:
            metric = failure.metric_key.name.replace("_", " ")
            name = f"recall of {classes[keys[0].int64_value]}" if keys else metric
            value = failure.metric_value.double_value.value
            threshold = failure.metric_threshold
            if threshold.HasField("change_threshold"):
                allowed = -threshold.change_threshold.absolute.value
                lines.append(
                    f"{name} is {-value:.4f} below the last blessed model's; allowed {allowed:.4f}"
                )
            elif threshold.value_threshold.HasField("upper_bound"):
                limit = threshold.value_threshold.upper_bound.value
                lines.append(f"{name} {value:.4f} is {value - limit:.4f} above {limit:.4f}")
            else:
                floor = threshold.value_threshold.lower_bound.value
                lines.append(f"{name} {value:.4f} is {floor - value:.4f} below {floor:.4f}")
    return lines
