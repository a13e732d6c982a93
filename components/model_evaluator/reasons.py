"""The custom property of a ModelBlessing artifact with the reasons why a model was not blessed."""

from typing import Any

REASONS = "reasons"
ACCURACY = (
    # The name of the metric accuracy, and of the custom property with the accuracy on the test
    # split.
    "accuracy"
)


def read_reasons(blessing: Any) -> str:
    """Returns the reasons why a ModelBlessing artifact does not bless the model."""
    return blessing.get_string_custom_property(REASONS) or "no reason given"
