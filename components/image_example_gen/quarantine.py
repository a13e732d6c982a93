"""The reasons why ImageExampleGen quarantines an image.

This module does not import TensorFlow, which takes seconds to import.
"""

import enum
import json


class Reason(enum.StrEnum):
    """The reason why an image is quarantined. `docs/data.md` describes each reason."""

    UNREADABLE = "unreadable"
    CHANGED = "changed"
    NAME = "name"
    UNLABELLED = "unlabelled"
    EMPTY = "empty"
    FORMAT = "format"
    HEIC = "heic"
    DAMAGED = "damaged"
    TOO_LARGE = "too_large"
    RANGE = "range"


class UnusableError(ValueError):
    """The error for an image that cannot become an example.

    Attributes:
      reason: the kind of the fault.
      detail: a description of the fault in this image, one line.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def format_record(
    error: UnusableError, *, file_name: str, label: int, size: int, digest: str
) -> str:
    """Returns a line of `quarantine.jsonl`: JSON with the name, label and reason of one image.

    Args:
      error: the error that describes why the image is quarantined.
      file_name: the name of the image in the source.
      label: the class index.
      size: number of bytes that were read.
      digest: SHA-256 of the bytes that were read, 64 hex digits.
    """
    return json.dumps(
        {
            "file_name": file_name,
            "label": label,
            "reason": error.reason,
            "detail": error.detail,
            "bytes": size,
            "sha256": digest,
        }
    )
