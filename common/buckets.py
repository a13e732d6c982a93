"""Checks whether the scheme of a URL is supported, and whether Google Cloud Storage answers.

This module does not import TensorFlow, which takes seconds to import.
"""

import os

from common.errors import InputError, UnreachableError, did_you_mean

# The schemes that TensorFlow supports without add-ons (`tf.io.gfile.get_registered_schemes()`).
# Beam supports a scheme only if an extra package is installed. This project installs only Beam's
# package for gs://.
TENSORFLOW_SCHEMES = ("gs", "file", "ram")
BEAM_SCHEMES = ("gs",)

_STORAGE = "https://storage.googleapis.com"
_SECONDS = 5  # seconds to wait for the connection, and then for the response


def check_scheme(flag: str, place: str, schemes: tuple[str, ...], expected: str) -> None:
    """Raises an error if `place` is a URI with an unsupported scheme.

    Args:
      flag: the name of the command-line option, for the error message.
      place: a path, or a URI such as gs://bucket/folder.
      schemes: the supported schemes.
      expected: the values that the option accepts, for the error message.

    Raises:
      InputError: the scheme is not among `schemes`.
    """
    scheme, separator, rest = place.partition("://")
    if not separator or scheme in schemes:
        return
    meant = did_you_mean(scheme.lower(), schemes)
    near = f"; did you mean {meant.removeprefix('did you mean ').rstrip('?')}://{rest}?"
    raise InputError(
        f"{flag} {place}: {scheme}:// is not supported; expected {expected}{near if meant else ''}"
    )


def check_reachable(flag: str, place: str) -> None:
    """Raises an error within seconds if Google Cloud Storage cannot be reached.

    Without this check, a run without a network would fail only after TensorFlow's or Beam's client
    has retried for minutes. The function does not check whether the bucket exists, or whether the
    user may read it.

    Args:
      flag: the name of the command-line option, for the error message.
      place: a path or URI; only gs:// URIs are checked.

    Raises:
      UnreachableError: the server sent no HTTP response. Any HTTP response is accepted, even one
        with an error status.
    """
    if not place.startswith("gs://"):
        return
    import requests

    # If STORAGE_EMULATOR_HOST is set, the library google-cloud-storage uses the host in this
    # variable (see `_get_storage_emulator_override` in google/cloud/storage/_helpers.py), so check
    # this host.
    host = os.environ.get("STORAGE_EMULATOR_HOST", _STORAGE)
    try:
        requests.head(host, timeout=_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        raise UnreachableError(
            f"{flag} {place}: {host} cannot be reached ({_reason(error)}); expected a network, or "
            "a proxy named by https_proxy"
        ) from error


def _reason(error: BaseException) -> str:
    """Returns the message of the network error that caused `error`.

    The library `requests` wraps a network error in exceptions of its own.
    """
    while error.__context__ is not None:
        error = error.__context__
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:100]
