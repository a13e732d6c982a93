"""What a source of labelled images is. Imports neither TensorFlow nor Beam."""

import abc
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TRAIN, TEST = "train", "test"
# How the reason begins of an image that is in quarantine since its file could not be read.
UNREAD = "cannot be read: "


@dataclasses.dataclass(frozen=True)
class SourceImage:
    """One image as its source has it.

    Attributes:
      file_name: the source's own name or id for it.
      label: class index, 0 to number of classes - 1.
      encoded: the bytes of its file; empty where it could not be read.
      error: why it could not be read, which begins with `UNREAD`; else empty.
    """

    file_name: str
    label: int
    encoded: bytes
    error: str = ""


class Source(abc.ABC):
    """A set of labelled images.

    A source is made from plain values in every process that needs it, so that it can stand in a
    pipeline's specification.
    """

    def check(self) -> None:  # noqa: B027 (most sources have nothing to check)
        """Refuses at once what can be seen to be wrong without TensorFlow and without a download.

        Raises:
          InputError: the data cannot be what was asked for.
        """

    @abc.abstractmethod
    def prepare(self) -> None:
        """Makes the data readable: looks whether it is there, downloads it where it is not.

        Raises:
          InputError: it is not there and cannot be had.
        """

    @abc.abstractmethod
    def classes(self) -> tuple[str, ...]:
        """The class names; a label is an index into them."""

    @abc.abstractmethod
    def splits(self) -> tuple[str, ...]:
        """The source's own splits that are used: TRAIN, and TEST where it has one."""

    @abc.abstractmethod
    def fingerprint(self, cache: Path | None = None) -> str:
        """Changes whenever an image is added, removed, renamed or changed; 64 hex digits.

        Args:
          cache: directory where what is known of the data may be kept for the next time.
        """

    def has_any(self, file_names: Sequence[str], cache: Path | None = None) -> bool:
        """Whether any of these images can be read now. None can where only all can be read.

        Args:
          file_names: `SourceImage.file_name` of images that could not be read.
          cache: as of `fingerprint`.
        """
        return False

    @abc.abstractmethod
    def read(self, split: str) -> Any:
        """A Beam PTransform from a pipeline's begin to `SourceImage`s of one of its splits."""
