"""The custom properties of a blessing: why a model was not blessed, or its accuracy."""

from typing import Any

# Custom properties of a ModelBlessing: of a model that was not blessed, and of one that was.
REASONS = "reasons"
ACCURACY = "accuracy"  # on the test split, a decimal number; the metric has the same name


def read_reasons(blessing: Any) -> str:
    """Returns the reasons that a blessing artifact has for not blessing the model."""
    return blessing.get_string_custom_property(REASONS) or "no reason given"
