"""One-line messages for errors from clients of web services.

This module does not import TensorFlow, which takes seconds to import.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from google.api_core import exceptions

from common.errors import InputError

Errors = Mapping[type[Exception], Callable[[Any], str]]

_HINTS = {
    400: "the service refused the request; correct the value that the message names",
    401: "the credentials are not accepted; log in again",
    403: "permission denied: the account lacks a permission",
    404: "check project, region, host and name",
    409: "the resource exists already; delete it, or give another --name",
    429: "quota exceeded; try again later",
    500: "the service failed; try again later",
}


@contextmanager
def explain_errors(what: str, errors: Errors) -> Iterator[None]:
    """A context that turns an error of a client library into an InputError with a one-line message.

    Args:
      what: a description of the attempted action, with which the message begins.
      errors: maps each expected class of exceptions to a function that returns a description of an
        exception of this class. The message of the InputError is `what`, a colon and the
        description.

    Raises:
      InputError: an exception of one of the classes in `errors`, or a RetryError, was raised.
    """
    kinds: tuple[type[Exception], ...] = (exceptions.RetryError, *errors)
    try:
        yield
    except kinds as given_up:
        # A client that gives up after several attempts raises a RetryError. Describe the error of
        # the last attempt, which the RetryError contains, and not the RetryError itself.
        error = (isinstance(given_up, exceptions.RetryError) and given_up.cause) or given_up
        say = next((say for kind, say in errors.items() if isinstance(error, kind)), str)
        raise InputError(f"{what}: {' '.join(say(error).split())}") from given_up


def describe_response(status: int | None, message: str) -> str:
    """Returns an error message for an HTTP response: its status, its message, and advice."""
    hint = _HINTS.get(status or 500, _HINTS[500] if (status or 500) >= 500 else _HINTS[400])
    return f"{status} {message.strip()[:300]}; {hint}"
