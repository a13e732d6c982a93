"""The custom property of a blessing that says why a model was not blessed."""

from typing import Any

REASONS = "reasons"
ACCURACY = "accuracy"  # the blessing's other property: on the test split; also the metric's name


def read_reasons(blessing: Any) -> str:
    """Returns the reasons that a blessing artifact has for not blessing the model."""
    return blessing.get_string_custom_property(REASONS) or "no reason given"
