"""Lists the files below a folder on remote storage, with the version of each file."""

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from common.errors import InputError

_GOOGLE = "gs://"
# The time limit, in seconds, of the request for one page of a listing, and of the retries of this
# request. Google's defaults are 60 for a request and 120 for its retries.
_PATIENCE = 20


class ListedFile(NamedTuple):
    """A file in the listing of a folder on remote storage.

    Attributes:
      uri: address of the file.
      size: the size of the file, in bytes.
      version: on Google's storage, the checksum of the content; on other storage, the size and the
        modification time.
    """

    uri: str
    size: int
    version: str

    @property
    def digest(self) -> str:
        """The SHA-256 of the string `version`, as 64 hex digits."""
        return hashlib.sha256(self.version.encode()).hexdigest()


def list_files(folder: str) -> list[ListedFile]:
    """Returns all files below `folder`, a URI of any scheme that Beam knows.

    Raises:
      InputError: the folder cannot be listed.
    """
    try:
        return list(_list_google(folder) if folder.startswith(_GOOGLE) else _list_beam(folder))
    except Exception as error:  # the storage libraries raise many kinds of exceptions
        reason = " ".join(str(error).split())
        raise InputError(f"{folder}: cannot be listed ({reason[:300]})") from error


def _list_google(folder: str) -> Iterator[ListedFile]:
    """Lists files with Google's client, because Beam's API returns no checksums."""
    from apache_beam.io.gcp.gcsio import GcsIO, parse_gcs_path
    from google.cloud.storage.retry import DEFAULT_RETRY

    storage: Any = GcsIO()
    bucket, prefix = parse_gcs_path(f"{folder}/", object_optional=True)
    blobs = storage.client.list_blobs(
        bucket,
        prefix=prefix,
        fields="items(name,size,md5Hash,crc32c),nextPageToken",
        timeout=_PATIENCE,
        retry=DEFAULT_RETRY.with_timeout(_PATIENCE),
    )
    for blob in blobs:
        # Google stores no MD5 for composite objects, so their CRC32C is used.
        yield ListedFile(f"{_GOOGLE}{bucket}/{blob.name}", blob.size, blob.md5_hash or blob.crc32c)


def _list_beam(folder: str) -> Iterator[ListedFile]:
    from apache_beam.io.filesystems import FileSystems

    (found,) = FileSystems.match([f"{folder}/**"])
    for file in found.metadata_list:
        version = f"{file.size_in_bytes} {file.last_updated_in_seconds}"
        yield ListedFile(file.path, file.size_in_bytes, version)
