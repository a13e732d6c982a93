"""The interface of sources of labelled images. Imports neither TensorFlow nor Beam."""

import abc
import dataclasses
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)
# The beginning of `SourceImage.error` if the file of the image could not be read.
UNREAD = "cannot be read: "
CHANGED = "the file changed after it was listed"
# The label index of an image whose source gives no label.
NO_LABEL = -1


class ImageReference(NamedTuple):
    """An image of a source, without its bytes. Splits and shards are planned from such references.

    All fields are plain texts and numbers. A file name that is not UTF-8 contains surrogates, as
    `os.fsdecode` returns them.

    Attributes:
      file_name: the name of the image in the source; no two images of a source have the same name.
      label: the class index, 0 to number of classes - 1; `NO_LABEL` for an image without a label.
      location: the place of the bytes, in a form that only the source's `read` understands.
      size: number of bytes; 0 if the file could not be read.
      digest: the SHA-256 of the bytes, or, in a bucket, of the checksum in the bucket's listing; 64
        hex digits. Two images have the same digest if and only if they have the same bytes. Empty
        if the file could not be read.
      split: the split that the source gives, TRAIN, VALIDATION or TEST; empty for none.
      group: the name of a group of images that must be in the same split; empty for no group.
    """

    file_name: str
    label: int
    location: str
    size: int
    digest: str
    split: str = ""
    group: str = ""


@dataclasses.dataclass(frozen=True)
class SourceImage:
    """One image of a source.

    Attributes:
      file_name: the name or id of the image in the source.
      label: the class index, 0 to number of classes - 1.
      encoded: the bytes of the file; empty if it could not be read.
      error: the reason why the file could not be read, which begins with `UNREAD`; empty if the
        file was read.
    """

    file_name: str
    label: int
    encoded: bytes
    error: str = ""


def source_image(image: ImageReference, encoded: bytes) -> SourceImage:
    """Returns the image that `image` refers to, with the bytes `encoded`."""
    return SourceImage(image.file_name, image.label, encoded)


def unread_image(image: ImageReference, reason: str) -> SourceImage:
    """Returns an image without bytes; `reason` says why the bytes could not be read."""
    return SourceImage(image.file_name, image.label, b"", f"{UNREAD}{reason}")


class Source(abc.ABC):
    """A set of labelled images.

    Sources are not passed between processes: each process makes its own `Source` from plain values,
    which a compiled pipeline can contain.

    Attributes:
      downloads: whether `prepare` may download the data.
    """

    _images: Sequence[ImageReference] | None = None
    downloads = False

    def check(self) -> None:  # noqa: B027 (most sources have nothing to check)
        """Does the quick checks of the data, which need neither TensorFlow nor a download.

        Raises:
          InputError: the data are missing or unusable.
        """

    @abc.abstractmethod
    def prepare(self, cache: Path | None = None) -> None:
        """Makes sure that the data can be read, and downloads them if necessary.

        Args:
          cache: the directory that `images` takes.

        Raises:
          InputError: the data are missing and cannot be downloaded.
        """

    @abc.abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Returns the class names; a label is an index into them."""

    def images(self, cache: Path | None = None) -> Sequence[ImageReference]:
        """Lists all images, in an order that depends on the data alone.

        The first call walks through a folder, lists a bucket or reads record files; each later call
        returns the same list. So a run should use one `Source` object.

        Args:
          cache: a directory for data that make the next call faster; None for none.

        Raises:
          InputError: the source cannot be listed.
        """
        if self._images is None:
            self._images = self._list_images(cache)
        return self._images

    @abc.abstractmethod
    def _list_images(self, cache: Path | None) -> Sequence[ImageReference]:
        """Lists all images, as `images` does."""

    def left_out(self) -> tuple[str, ...]:
        """Returns the names of folders or splits whose images are left out."""
        return ()

    def dropped(self) -> int:
        """Returns the number of duplicates that `images` leaves out."""
        return 0

    @abc.abstractmethod
    def read(self, images: Iterable[ImageReference]) -> Iterator[SourceImage]:
        """Reads images one after the other; at most one is in memory.

        Each of Beam's workers makes its own `Source` by `make_source`, and calls its method `read`.

        Args:
          images: some of the references that `images` returned, in any order.

        Yields:
          Each image once, in the order of `images`; if the images are in record files that allow no
          seeking, in the order of the files. If an image cannot be read, or its bytes have changed
          since it was listed, its attribute `error` gives the reason.
        """

    def fingerprint(self, cache: Path | None = None) -> str:
        """Returns a fingerprint of 64 hex digits.

        The fingerprint changes if an image is added, removed, renamed or changed, if an image gets
        another label, split or group, and if the class names change.

        Args:
          cache: the directory that `images` takes.
        """
        digest = hashlib.sha256(os.fsencode("\0".join(self.classes()) + "\n"))
        for image in self.images(cache):
            given = (image.file_name, str(image.label), image.digest, image.split, image.group)
            digest.update(os.fsencode("\0".join(given) + "\n"))
        return digest.hexdigest()

    def has_any(self, file_names: Sequence[str], cache: Path | None = None) -> bool:
        """Whether any of these images can be read now.

        Args:
          file_names: `SourceImage.file_name` of images that could not be read.
          cache: the directory that `images` takes.
        """
        names = set(file_names)
        return any(image.file_name in names and image.digest for image in self.images(cache))
