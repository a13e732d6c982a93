"""Lists the files below a folder on remote storage, with what tells their versions apart."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from common.errors import InputError

_GOOGLE = "gs://"
_PATIENCE = 20  # seconds that a page of a listing may take; Google's own are two minutes


class ListedFile(NamedTuple):
    """A file as a listing shows it; none of it is read.

    Attributes:
      uri: where it lies.
      size: in bytes.
      version: on Google's storage a checksum of the content, elsewhere size and time of
        modification.
    """

    uri: str
    size: int
    version: str


def list_files(folder: str) -> list[ListedFile]:
    """All files below `folder`, a URI of any scheme that Beam knows.

    Raises:
      InputError: it cannot be listed.
    """
    try:
        return list(_list_google(folder) if folder.startswith(_GOOGLE) else _list_beam(folder))
    except Exception as error:  # of three libraries: no access, no network, no such scheme
        reason = " ".join(str(error).split())
        raise InputError(f"{folder}: cannot be listed ({reason[:300]})") from error


def _list_google(folder: str) -> Iterator[ListedFile]:
    """By Google's own client, as Beam makes it: Beam's listing leaves the checksums out."""
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
        # Objects that were composed of parts have no MD5.
        yield ListedFile(f"{_GOOGLE}{bucket}/{blob.name}", blob.size, blob.md5_hash or blob.crc32c)


def _list_beam(folder: str) -> Iterator[ListedFile]:
    from apache_beam.io.filesystems import FileSystems

    (found,) = FileSystems.match([f"{folder}/**"])
    for file in found.metadata_list:
        version = f"{file.size_in_bytes} {file.last_updated_in_seconds}"
        yield ListedFile(file.path, file.size_in_bytes, version)
