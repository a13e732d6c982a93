"""The custom property of a blessing that says why a model was not blessed."""

from typing import Any

REASONS = "reasons"
ACCURACY = (
    "accuracy"  # the name of the property with the accuracy on the test split, and of that metric
)


def read_reasons(blessing: Any) -> str:
    """Returns the reasons why a ModelBlessing artifact does not bless the model."""
    return blessing.get_string_custom_property(REASONS) or "no reason given"
