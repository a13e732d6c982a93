"""Writes the findings of ServingCheck to an InfraBlessing artifact, and reads them."""

import dataclasses
import json
from typing import Any

import tensorflow as tf

from components.serving_check.refusal import BLESSED, REASONS

FILE = "serving_check.json"
# The file names that TFX's InfraValidator uses (tfx/components/infra_validator/executor.py).
_FILES = {True: "INFRA_BLESSED", False: "INFRA_NOT_BLESSED"}
_SHOWN = 5  # largest number of reasons in the custom property; the JSON file contains all reasons


@dataclasses.dataclass
class Findings:
    """The result of a check. All fields have types that JSON supports.

    Attributes:
      reasons: the reasons why the model is refused, one line each; empty if it passes the check.
      load_seconds: the time that the model took to load.
      peak_memory_gb: the most memory that the process used, in GB (10^9 bytes); 0 if the process
        was stopped or crashed.
      latency_ms: for each batch size, the number of requests, and the median and the 99th
        percentile of their times in milliseconds. The first request of each batch size is not
        counted, because it takes longer than later requests.
      limits: the settings of the check.
      requests: for each request, the signature, the names of the images, the time in milliseconds,
        and the answer to each image.
    """

    reasons: list[str] = dataclasses.field(default_factory=list)
    load_seconds: float = 0.0
    peak_memory_gb: float = 0.0
    latency_ms: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    limits: dict[str, Any] = dataclasses.field(default_factory=dict)
    requests: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def write_findings(findings: Findings, blessing: Any) -> None:
    """Writes findings into an InfraBlessing artifact, and sets the artifact's custom properties."""
    is_blessed = not findings.reasons
    tf.io.gfile.makedirs(blessing.uri)
    content = {BLESSED: is_blessed, **dataclasses.asdict(findings)}
    with tf.io.gfile.GFile(f"{blessing.uri}/{FILE}", "w") as stream:
        stream.write(json.dumps(content, indent=1, ensure_ascii=False))
    with tf.io.gfile.GFile(f"{blessing.uri}/{_FILES[is_blessed]}", "w") as stream:
        stream.write("")
    blessing.set_int_custom_property(BLESSED, int(is_blessed))
    if not is_blessed:
        more = len(findings.reasons) - _SHOWN
        shown = findings.reasons[:_SHOWN] + ([f"and {more} more"] if more > 0 else [])
        blessing.set_string_custom_property(REASONS, "; ".join(shown))


def read_findings(uri: str) -> Findings:
    """Reads the findings from the InfraBlessing artifact at `uri`."""
    with tf.io.gfile.GFile(f"{uri}/{FILE}") as stream:
        content = json.loads(stream.read())
    content.pop(BLESSED)
    return Findings(**content)
