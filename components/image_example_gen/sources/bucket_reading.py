"""Reads files in buckets. If an object is missing or forbidden, reading it raises OSError."""

import errno
from typing import IO

# The least number of bytes that one read from a bucket fetches. Beam's default is 16 MB, which is
# far more than one image of a TFRecord file.
_BUFFER = 1 << 16


def read_object(uri: str) -> bytes:
    """Reads a file on any file system that Beam supports.

    Raises:
      OSError: the file cannot be read.
    """
    from apache_beam.io.filesystem import CompressionTypes
    from apache_beam.io.filesystems import FileSystems

    with (
        _OSErrors(uri),
        FileSystems.open(uri, compression_type=CompressionTypes.UNCOMPRESSED) as file,
    ):
        return file.read()


def open_object(uri: str) -> IO[bytes]:
    """Opens an object in Google's storage for reading parts of it.

    Raises:
      OSError: the object cannot be read.
    """
    from apache_beam.io.gcp.gcsio import GcsIO

    with _OSErrors(uri):
        return GcsIO().open(uri, read_buffer_size=_BUFFER)


class _OSErrors:
    """A context that turns Google's exceptions about a missing or forbidden object into OSErrors.

    Exceptions about the network or the service are raised unchanged, because they say nothing about
    the object.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if error is None or isinstance(error, OSError):
            return
        from google.api_core.exceptions import Forbidden, NotFound

        if isinstance(error, NotFound):
            raise FileNotFoundError(errno.ENOENT, "no such object", self._uri) from error
        if isinstance(error, Forbidden):
            raise PermissionError(errno.EACCES, "permission denied", self._uri) from error
