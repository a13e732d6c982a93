"""The verdict of ServingCheck: an InfraBlessing, which Pusher obeys, and a JSON file in it."""

import dataclasses
import json
from typing import Any

import tensorflow as tf

from components.serving_check.check import Findings

FILE = "serving_check.json"
REASONS = "reasons"  # custom property of an InfraBlessing that is none
# As TFX's InfraValidator writes them (tfx/components/infra_validator/executor.py).
_BLESSED = "blessed"
_FILES = {True: "INFRA_BLESSED", False: "INFRA_NOT_BLESSED"}
_SHOWN = 5  # reasons in the custom property; the file has all


def write_verdict(findings: Findings, blessing: Any) -> None:
    """Writes findings into an InfraBlessing artifact, and sets its properties."""
    is_blessed = not findings.reasons
    tf.io.gfile.makedirs(blessing.uri)
    content = {_BLESSED: is_blessed, **dataclasses.asdict(findings)}
    with tf.io.gfile.GFile(f"{blessing.uri}/{FILE}", "w") as stream:
        stream.write(json.dumps(content, indent=1, ensure_ascii=False))
    with tf.io.gfile.GFile(f"{blessing.uri}/{_FILES[is_blessed]}", "w") as stream:
        stream.write("")
    blessing.set_int_custom_property(_BLESSED, int(is_blessed))
    if not is_blessed:
        more = len(findings.reasons) - _SHOWN
        shown = findings.reasons[:_SHOWN] + ([f"and {more} more"] if more > 0 else [])
        blessing.set_string_custom_property(REASONS, "; ".join(shown))


def read_findings(uri: str) -> Findings:
    """Reads the findings from the InfraBlessing artifact at `uri`."""
    with tf.io.gfile.GFile(f"{uri}/{FILE}") as stream:
        content = json.loads(stream.read())
    content.pop(_BLESSED)
    return Findings(**content)


def read_refusal(blessing: Any) -> str:
    """Returns why an InfraBlessing artifact refuses the model; empty if it blesses it."""
    if blessing.get_int_custom_property(_BLESSED) == 1:
        return ""
    return blessing.get_string_custom_property(REASONS) or "no reason given"
