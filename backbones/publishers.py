"""The addresses of published models.

This module does not import TensorFlow, which takes seconds to import.
"""

import dataclasses
import hashlib
import re
from urllib.parse import quote, urlsplit

from backbones.catalogue import Model
from common.errors import InputError
from common.urls import is_secure

_HANDLE = re.compile(r"([\w-]+)/([\w-]+)/(tensorflow2)/([\w.-]+)(?:/(\d+))?", re.ASCII | re.I)
_KAGGLE_FORM = (
    "https://www.kaggle.com/models/<owner>/<model>/tensorFlow2/<variation>/<version>; only "
    "TensorFlow2 variations are SavedModels"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DownloadLocations:
    """The base URLs of the hosts that publish models.

    Attributes:
      kaggle: Kaggle Models, from which public models can be downloaded without an account.
      tfhub: TF-Hub, which redirects to the models on Kaggle.
      storage: Google Cloud Storage, from which files at `gs://` addresses are downloaded by HTTP.
    """

    kaggle: str = "https://www.kaggle.com"
    tfhub: str = "https://tfhub.dev"
    storage: str = "https://storage.googleapis.com"

    def archives(self, entry: Model) -> tuple[str, ...]:
        """Returns the URLs of the archive of `entry`: Kaggle first, then TF-Hub."""
        assert entry.kaggle is not None and entry.handle is not None
        return self.kaggle_archive(entry.kaggle), self.url(entry.handle)

    def checkpoint(self, name: str) -> str:
        """Returns the URL of the AugReg checkpoint with the file name `name`."""
        return self.url(f"gs://vit_models/augreg/{name}")

    def kaggle_archive(self, handle: str) -> str:
        """Returns the URL of the archive for `handle`, a Kaggle handle that includes a version."""
        return f"{self.kaggle}/api/v1/models/{handle}/download"

    def url(self, model: str) -> str:
        """Returns the URL of `model`, which is an address, a Kaggle handle or a TF-Hub handle."""
        handle = kaggle_handle(model)
        if handle:
            return self.kaggle_archive(handle)
        parts = urlsplit(model)
        if parts.scheme == "gs":
            return f"{self.storage}/{parts.netloc}{quote(parts.path)}"
        if parts.hostname == "tfhub.dev":
            # The query `tf-hub-format=compressed` asks TF-Hub for a tar archive
            # (tensorflow.org/hub/hosting).
            return f"{self.tfhub}{parts.path}?tf-hub-format=compressed"
        return model


PUBLIC = DownloadLocations()


def is_address(model: str) -> bool:
    """Whether `model` is a URL or a Kaggle handle, rather than a path."""
    return model.startswith(("http://", "https://", "gs://")) or bool(_HANDLE.fullmatch(model))


def check_address(model: str) -> None:
    """Refuses an address that cannot belong to a model.

    Raises:
      InputError: the address has no host or bucket, is a Kaggle page without a model variation, or
        is an http:// address of another machine, whose files anybody on the network could replace.
    """
    kaggle_handle(model)
    if not _HANDLE.fullmatch(model) and not _host(model):
        raise InputError(f"--model {model}: not an address; expected https://… or gs://…")
    if not is_secure(model):
        raise InputError(
            f"--model {model}: anybody on the network could replace a model that is sent by http; "
            "expected https://…"
        )


def is_checkpoint(model: str) -> bool:
    """Whether `model`, a path or an address, is an AugReg checkpoint rather than a SavedModel."""
    path = urlsplit(model).path if is_address(model) else model
    return path.lower().endswith(".npz")


def is_bucket_directory(model: str) -> bool:
    """Whether `model` is a directory in a bucket.

    A gs:// address is taken for a directory unless it has the suffix of a tar archive or of an
    `.npz` file.
    """
    files = (".npz", ".tar", ".tgz", ".tar.gz")
    return model.startswith("gs://") and not model.lower().endswith(files)


def kaggle_handle(model: str) -> str | None:
    """Returns the Kaggle handle in `model`, with its version; None if `model` contains no Kaggle
    handle.

    `model` may be a handle or the URL of a Kaggle page, and may contain the path segments
    `frameworks`, `variations` and `versions`. If the handle has no version, the function adds
    version 1 rather than the latest version, so that a handle always names the same model.

    Raises:
      InputError: `model` is the URL of a Kaggle page that does not show a TensorFlow 2 variation of
        a model.
    """
    is_page = _host(model) in ("kaggle.com", "www.kaggle.com")
    path = urlsplit(model).path.strip("/") if is_page else model
    if is_page and path.startswith("api/"):
        return None
    path = re.sub("(?<=/)(frameworks|variations|versions)/", "", path.removeprefix("models/"))
    match = _HANDLE.fullmatch(path)
    if match:
        owner, name, _, variation, version = match.groups()
        return f"{owner}/{name}/tensorFlow2/{variation}/{version or 1}"
    if is_page:
        raise InputError(f"--model {model}: not a variation of a model; expected {_KAGGLE_FORM}")
    return None


def make_file_name(url: str) -> str:
    """Returns a file name for the download of `url`: words from the URL, and the URL's hash."""
    path = re.sub(r"(\.(tar|tgz|tar\.gz|npz)|/download)$", "", urlsplit(url).path)
    words = "-".join(re.findall("[a-z0-9]+", "/".join(path.lower().split("/")[-4:])))
    return f"{words[:120] or 'model'}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"


def _host(model: str) -> str | None:
    try:
        return urlsplit(model).hostname if "://" in model else None
    except ValueError:
        return None
