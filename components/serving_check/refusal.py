"""The custom properties of an InfraBlessing artifact, from which Pusher reads the result of
ServingCheck.

This module does not import TensorFlow, which takes seconds to import.
"""

from typing import Any

BLESSED = "blessed"  # TFX's Pusher pushes the model only if this custom property is 1
REASONS = "reasons"


def read_refusal(blessing: Any) -> str:
    """Returns the reason why an InfraBlessing artifact refuses the model; empty if the model is
    blessed.
    """
    if blessing.get_int_custom_property(BLESSED) == 1:
        return ""
    return blessing.get_string_custom_property(REASONS) or "no reason given"
