"""Finds Google Cloud credentials, and initialises the client library of Vertex AI.

This module does not import TensorFlow, which takes seconds to import.
"""

from typing import Any

import google.auth

from common.google_errors import SCOPES


def connect(*, project: str | None, region: str | None, api_endpoint: str | None) -> Any:
    """Finds credentials, and returns the initialised client library, `google.cloud.aiplatform`.

    Args:
      project: the Google Cloud project for all requests.
      region: the region for all requests.
      api_endpoint: the host of the API; None for Google's host.

    Raises:
      google.auth.exceptions.GoogleAuthError: no credentials are found.
    """
    credentials, _ = google.auth.default(scopes=SCOPES)
    from google.cloud import aiplatform

    aiplatform.init(
        project=project,
        location=region,
        credentials=credentials,
        api_endpoint=api_endpoint,
        api_transport="rest",
    )
    return aiplatform
