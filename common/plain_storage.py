"""Finds and reads small files on this machine or in Google Cloud Storage, without TensorFlow."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from common.buckets import check_reachable
from common.errors import InputError

# The time limit, in seconds, of each attempt of a request to Google Cloud Storage. The default of
# Google's client is one minute.
_PATIENCE = 20
_THREADS = 16
_GOOGLE = "gs://"


def find_files(folder: str, pattern: str) -> list[str]:
    """Returns the paths of the files in a folder tree that match `pattern`, in any order.

    Args:
      folder: a directory, or a URI gs://bucket/folder.
      pattern: a glob for paths relative to the folder: `*` matches a part of one name, `**/` any
        number of folders.

    Raises:
      InputError: the bucket cannot be listed.
      UnreachableError: the server of Google Cloud Storage does not answer.
    """
    if not folder.startswith(_GOOGLE):
        return [str(file) for file in Path(folder).glob(pattern)]
    check_reachable("--pipeline-root", folder)
    bucket, _, prefix = folder.removeprefix(_GOOGLE).rstrip("/").partition("/")
    prefix = f"{prefix}/" if prefix else ""
    expression = re.compile(re.escape(prefix) + _to_expression(pattern))
    try:
        # `match_glob` makes the server filter the names, so that the server does not send every
        # name in the bucket.
        blobs = _client().list_blobs(
            bucket, prefix=prefix, match_glob=f"{prefix}{pattern}", timeout=_PATIENCE
        )
        names = [blob.name for blob in blobs if expression.fullmatch(blob.name)]
    except Exception as error:  # Google's client raises exceptions of several libraries
        raise InputError(f"{folder}: cannot be listed ({_reason(error)})") from error
    return [f"{_GOOGLE}{bucket}/{name}" for name in names]


def read_files(files: Sequence[str]) -> list[bytes | None]:
    """Returns the contents of files; None for a file that does not exist.

    Raises:
      InputError: a file of a bucket cannot be read.
    """
    if any(file.startswith(_GOOGLE) for file in files):
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(_read, files))
    return [_read(file) for file in files]


def _read(file: str) -> bytes | None:
    if not file.startswith(_GOOGLE):
        path = Path(file)
        return path.read_bytes() if path.is_file() else None
    from google.api_core.exceptions import NotFound

    bucket, _, name = file.removeprefix(_GOOGLE).partition("/")
    try:
        return _client().bucket(bucket).blob(name).download_as_bytes(timeout=_PATIENCE)
    except NotFound:
        return None
    except Exception as error:
        raise InputError(f"{file}: cannot be read ({_reason(error)})") from error


def _client() -> Any:
    from google.cloud.storage import Client

    return Client(project=None)  # no project is needed; by default, the client fails without one


def _to_expression(pattern: str) -> str:
    kinds = {"*": "[^/]*", "**/": "(.*/)?"}
    parts = re.split(r"(\*\*/|\*)", pattern)
    return "".join(kinds.get(part) or re.escape(part) for part in parts)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
