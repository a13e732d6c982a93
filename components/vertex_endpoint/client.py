"""Connects to Vertex AI, and turns errors of its client library into one-line messages."""

import concurrent.futures
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests.exceptions

from common import vertex_client
from common.errors import InputError
from common.google_errors import GOOGLE_ERRORS
from common.service_errors import Errors, explain_errors
from components.vertex_endpoint.settings import EndpointSettings

AGAIN = "give the same command again to continue where it stopped"
UNCHANGED = f"the endpoint serves the same version as before; {AGAIN}"
_ERRORS: Errors = {
    requests.exceptions.RequestException: lambda error: (
        f"the connection failed ({error}); check the network"
    ),
    concurrent.futures.TimeoutError: lambda error: f"the operation did not end in time ({error})",
    **GOOGLE_ERRORS,
    # For some kinds of wrong values from the user, the client library raises ValueError.
    ValueError: lambda error: f"{error}; correct the value that the message names",
}


@contextmanager
def explain(what: str, after: str = UNCHANGED) -> Iterator[None]:
    """A context manager that turns errors of the client library into one-line InputErrors.

    Args:
      what: the attempted action.
      after: the text that ends every error message: `UNCHANGED`, or `AGAIN` if the endpoint may
        have changed.
    """
    try:
        with explain_errors(f"Vertex AI, {what}", _ERRORS):
            yield
    except InputError as error:
        raise InputError(f"{error}; {after}") from error


def connect(settings: EndpointSettings) -> Any:
    """Connects to Vertex AI; returns the client library.

    Raises:
      InputError: no credentials are found.
    """
    with explain("connecting"):
        return vertex_client.connect(
            project=settings.project,
            region=settings.region,
            api_endpoint=settings.api_endpoint,
        )
