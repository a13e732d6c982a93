"""The interface of sources of labelled images. Imports neither TensorFlow nor Beam."""

import abc
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TRAIN, TEST = "train", "test"
# The start of the reason for the quarantine of an image whose file could not be read.
UNREAD = "cannot be read: "


@dataclasses.dataclass(frozen=True)
class SourceImage:
    """One image of a source.

    Attributes:
      file_name: the name or id of the image in the source.
      label: the class index, 0 to number of classes - 1.
      encoded: the bytes of the file; empty if it could not be read.
      error: the reason, starting with `UNREAD`, why the file could not be read; empty if it was.
    """

    file_name: str
    label: int
    encoded: bytes
    error: str = ""


class Source(abc.ABC):
    """A set of labelled images.

    Every process that needs a source makes it from plain values, which can be part of a compiled
    pipeline.
    """

    def check(self) -> None:  # noqa: B027 (most sources have nothing to check)
        """Finds faults that can be found quickly, without TensorFlow and without a download.

        Raises:
          InputError: the data are missing or unusable.
        """

    @abc.abstractmethod
    def prepare(self) -> None:
        """Makes sure that the data can be read, and downloads them if necessary.

        Raises:
          InputError: the data are missing and cannot be downloaded.
        """

    @abc.abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Returns the class names; a label is an index into them."""

    @abc.abstractmethod
    def splits(self) -> tuple[str, ...]:
        """Returns the splits of the source that are used: TRAIN, and TEST if the source has one."""

    @abc.abstractmethod
    def fingerprint(self, cache: Path | None = None) -> str:
        """Returns a fingerprint of 64 hex digits.

        It changes whenever an image is added, removed, renamed or changed.

        Args:
          cache: a directory for data that make the next fingerprint faster; None for none.
        """

    def has_any(self, file_names: Sequence[str], cache: Path | None = None) -> bool:
        """Whether any of these images can be read now.

        A source that cannot read single images returns False.

        Args:
          file_names: `SourceImage.file_name` of images that could not be read.
          cache: the directory that `fingerprint` takes.
        """
        return False

    @abc.abstractmethod
    def read(self, split: str) -> Any:
        """Returns a Beam PTransform that reads the `SourceImage`s of one of the source's splits."""
