"""The interface of a source of labelled images, such as a folder or TFRecord files.

This module loads quickly, because it imports neither TensorFlow nor Beam.
"""

import abc
import dataclasses
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)
# `SourceImage.error` begins with the text UNREAD if the image file could not be read.
UNREAD = "cannot be read: "
CHANGED = "the file changed after it was listed"
# The label of an image for which the source has no label.
NO_LABEL = -1


class ImageReference(NamedTuple):
    """The name, the label and the location of an image, but not the bytes of the image.

    ImageExampleGen assigns images to splits and shards by their references, before it reads the
    bytes of any image. All fields are strings and numbers, so that a reference can be stored as
    JSON. If a file name is not valid UTF-8, `file_name` contains surrogates, as `os.fsdecode`
    returns them.

    Attributes:
      file_name: the name of the image in the source; no two images of a source have the same name.
      label: the class index, 0 to number of classes - 1; `NO_LABEL` for an image without a label.
      location: a string that tells the method `read` of the source where the image is.
      size: number of bytes; 0 if the file could not be read.
      digest: a hash that identifies the image's bytes, 64 hex digits; empty if the file could not
        be read. For a file on a disk and for an image in a TFRecord file, the digest is the SHA-256
        of the bytes. For a file in Google Cloud Storage, the digest is the SHA-256 of the checksum
        that the bucket stores. For a file on other storage, the digest is the SHA-256 of the size
        and the modification time, so two copies of an image usually have different digests.
      split: the split to which the source assigns the image: TRAIN, VALIDATION or TEST; empty if
        the source assigns no split.
      group: the name of a group of images that must be in the same split; empty if the image is in
        no group.
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
    """An image of a source, with its bytes.

    Attributes:
      file_name: the name or id of the image in the source.
      label: the class index, 0 to number of classes - 1.
      encoded: the bytes of the file; empty if it could not be read.
      error: the text `UNREAD` and the reason why the file could not be read; empty if the file was
        read.
    """

    file_name: str
    label: int
    encoded: bytes
    error: str = ""


def source_image(image: ImageReference, encoded: bytes) -> SourceImage:
    """Returns the image of the reference `image`, with the bytes `encoded`."""
    return SourceImage(image.file_name, image.label, encoded)


def unread_image(image: ImageReference, reason: str) -> SourceImage:
    """Returns an image without bytes; `reason` states why the file could not be read."""
    return SourceImage(image.file_name, image.label, b"", f"{UNREAD}{reason}")


class Source(abc.ABC):
    """A set of labelled images.

    A compiled pipeline contains the argument of `make_source` as JSON, and each process creates its
    own `Source` from this argument.

    Attributes:
      downloads: whether `prepare` may download the data.
    """

    _images: Sequence[ImageReference] | None = None
    downloads = False

    def check(self) -> None:  # noqa: B027 (most sources have nothing to check)
        """Checks the data as far as that is possible without TensorFlow and without a download.

        Raises:
          InputError: the data do not exist or cannot be used.
        """

    @abc.abstractmethod
    def prepare(self, cache: Path | None = None) -> None:
        """Makes sure that the images can be read, and downloads the data if necessary.

        Args:
          cache: see the method `images`.

        Raises:
          InputError: the data are missing and cannot be downloaded.
        """

    @abc.abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Returns the class names; a label is an index into them."""

    def images(self, cache: Path | None = None) -> Sequence[ImageReference]:
        """Returns references to all images, in an order that depends only on the data.

        The first call is slow, because it walks through a folder, lists a bucket or reads TFRecord
        files. Later calls of this method return the same list. A process should use only one
        `Source` object, so that the images are listed only once.

        Args:
          cache: a directory in which file digests and lists of images are kept, so that the next
            run is faster; None to keep nothing.

        Raises:
          InputError: the source cannot be listed.
        """
        if self._images is None:
            self._images = self._list_images(cache)
        return self._images

    @abc.abstractmethod
    def _list_images(self, cache: Path | None) -> Sequence[ImageReference]:
        """Returns references to all images; `images` calls this method once."""

    def left_out(self) -> tuple[str, ...]:
        """Returns the names of the folders or splits whose images the source leaves out."""
        return ()

    def dropped(self) -> int:
        """Returns the number of duplicate images that the source leaves out."""
        return 0

    @abc.abstractmethod
    def read(self, images: Iterable[ImageReference]) -> Iterator[SourceImage]:
        """Reads images one after the other, so that at most one is in memory.

        This method runs in Beam's workers, each of which makes its own `Source` with `make_source`.

        Args:
          images: some of the references that `images` returned, in any order.

        Yields:
          Each image once, in the order of the argument `images`, unless the source consists of
          files that can only be read from the beginning, such as compressed TFRecord files. From
          files that can only be read from the beginning, the method yields the images sorted by
          file and by position in the file, so that it reads each file only once. If an image cannot
          be read, or has changed since it was listed, the attribute `error` of the `SourceImage`
          states the reason.
        """

    def fingerprint(self, cache: Path | None = None) -> str:
        """Returns a fingerprint of 64 hex digits.

        The fingerprint changes if an image is added, removed, renamed or modified, if the label,
        split or group of an image changes, or if the class names change.

        Args:
          cache: see the method `images`.
        """
        digest = hashlib.sha256(os.fsencode("\0".join(self.classes()) + "\n"))
        for image in self.images(cache):
            given = (image.file_name, str(image.label), image.digest, image.split, image.group)
            digest.update(os.fsencode("\0".join(given) + "\n"))
        return digest.hexdigest()

    def has_any(self, file_names: Sequence[str], cache: Path | None = None) -> bool:
        """Whether at least one of the images in `file_names` can be read now.

        Args:
          file_names: the file names of images that an earlier run could not read.
          cache: see the method `images`.
        """
        names = set(file_names)
        return any(image.file_name in names and image.digest for image in self.images(cache))
