"""One-line messages for errors from Google Cloud's client libraries.

This module does not import TensorFlow, which takes seconds to import.
"""

import re

from google.api_core import exceptions
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError

from common.service_errors import Errors, describe_response

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
_LOG_IN = "run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS"
# Matches the HTTP method and the URL with which Google's client library begins an error message.
_REQUEST = re.compile(r"^[A-Z]+ https?://\S+: ")


def _describe_credentials_error(error: DefaultCredentialsError) -> str:
    message = str(error.args[0])
    if message.startswith("Your default credentials were not found"):
        return f"there are no Google Cloud credentials; {_LOG_IN}"
    return f"{message.rstrip('.')}; expected a file with Google Cloud credentials: {_LOG_IN}"


GOOGLE_ERRORS: Errors = {
    DefaultCredentialsError: _describe_credentials_error,
    TransportError: lambda error: (
        f"the connection to Google's token server failed ({error}); nothing was submitted; check "
        "the network and try again"
    ),
    GoogleAuthError: lambda error: f"the credentials are not accepted ({error}); log in again",
    exceptions.GoogleAPICallError: lambda error: describe_response(
        error.code, _REQUEST.sub("", error.message)
    ),
}
