"""Custom properties of a ModelBlessing artifact, such as the reasons why a model is not blessed."""

from typing import Any

REASONS = "reasons"
ACCURACY = (
    # The name of the accuracy metric, and also of the custom property with the accuracy on the test
    # split.
    "accuracy"
)


def read_reasons(blessing: Any) -> str:
    """Reads a ModelBlessing artifact; returns the reasons why the model is not blessed."""
    return blessing.get_string_custom_property(REASONS) or "no reason given"
