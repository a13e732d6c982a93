"""Which places beyond this machine can be read and written, and whether they can be reached.

Imports no TensorFlow.
"""

import os

from common.errors import InputError, UnreachableError, did_you_mean

# TensorFlow's file systems without add-ons, as `tf.io.gfile.get_registered_schemes()` lists them.
# Beam has more, but the packages for all but gs:// are not installed.
TENSORFLOW_SCHEMES = ("gs", "file", "ram")
BEAM_SCHEMES = ("gs",)

_STORAGE = "https://storage.googleapis.com"
_SECONDS = 5  # to connect, and to answer


def check_scheme(flag: str, place: str, schemes: tuple[str, ...], expected: str) -> None:
    """Refuses a place whose scheme belongs to no file system.

    Args:
      flag: of the option that names the place.
      place: a path, or a URI such as gs://bucket/folder.
      schemes: of the file systems that there are.
      expected: what the option takes, for the message.

    Raises:
      InputError: there is no such file system.
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
    """Fails within seconds where Google Cloud Storage cannot be reached.

    Without this, TensorFlow's and Beam's clients try again for minutes. Whether the bucket is there
    and may be read is not looked at.

    Args:
      flag: of the option that names the place.
      place: a path or URI; all but gs:// pass.

    Raises:
      UnreachableError: there is no answer, whatever it might be.
    """
    if not place.startswith("gs://"):
        return
    import requests

    # As google-cloud-storage does: _get_storage_emulator_override of its _helpers.py.
    host = os.environ.get("STORAGE_EMULATOR_HOST", _STORAGE)
    try:
        requests.head(host, timeout=_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        raise UnreachableError(
            f"{flag} {place}: {host} cannot be reached ({_reason(error)}); expected a network, or "
            "a proxy named by https_proxy"
        ) from error


def _reason(error: BaseException) -> str:
    """What is at the bottom of an error of requests, which wraps those of urllib3 and Python."""
    while error.__context__ is not None:
        error = error.__context__
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:100]
