"""Reads image files on this machine or in a bucket."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator

from components.image_example_gen.sources.base import (
    CHANGED,
    ImageReference,
    SourceImage,
    source_image,
    unread_image,
)
from components.image_example_gen.sources.bucket_reading import read_object


def read_images(
    images: Iterable[ImageReference], *, is_remote: bool | None = None
) -> Iterator[SourceImage]:
    """Reads images one by one, as `Source.read` does.

    A local image counts as changed if the SHA-256 of its bytes differs from
    `ImageReference.digest`. A bucket's listing does not contain the SHA-256 of an image, so a
    remote image counts as changed only if its size differs from `ImageReference.size`.

    Args:
      images: the images to read; `ImageReference.location` is the path or URI of the image file.
      is_remote: whether the images are on remote storage; if None, the images whose location is a
        URI are on remote storage.
    """
    for image in images:
        remote = "://" in image.location if is_remote is None else is_remote
        try:
            encoded = read_object(image.location) if remote else read_local_file(image.location)
        except OSError as error:  # a missing or unreadable file is quarantined
            yield unread_image(image, str(error.strerror or error))
            continue
        if remote:
            is_same = len(encoded) == image.size
        else:
            is_same = hashlib.sha256(encoded).hexdigest() == image.digest
        yield source_image(image, encoded) if is_same else unread_image(image, CHANGED)


def read_file(location: str) -> bytes:
    """Reads a regular file at a path, or an object at a URI.

    Raises:
      OSError: the file cannot be read, or is not a regular file.
    """
    return read_object(location) if "://" in location else read_local_file(location)


def read_local_file(path: str) -> bytes:
    """Reads a regular file on this machine.

    Raises:
      OSError: the file cannot be read, or is not a regular file.
    """
    # Reading a FIFO would block until a process writes to it, and reading a device may never end.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    with open(path, "rb", buffering=0) as file:
        return file.read()
