"""The custom properties of an InfraBlessing, which Pusher reads. Imports nothing but typing."""

from typing import Any

BLESSED = "blessed"  # the property that TFX's Pusher reads
REASONS = "reasons"


def read_refusal(blessing: Any) -> str:
    """Returns why an InfraBlessing artifact refuses the model; empty if the model is blessed."""
    if blessing.get_int_custom_property(BLESSED) == 1:
        return ""
    return blessing.get_string_custom_property(REASONS) or "no reason given"
