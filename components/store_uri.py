"""Finds the URI of an artifact in the object store when a step has only a local copy of the
artifact.
"""

from tfx.types import Artifact

# On Kubeflow Pipelines, this custom property of an input artifact is its URI in the object store,
# and the artifact's own URI is the path of the copy on the disk of the container.
STORE_URI = "store_uri"


def read_store_uri(artifact: Artifact) -> str:
    """Returns the URI at which a user finds the artifact after the run."""
    return artifact.get_string_custom_property(STORE_URI) or artifact.uri
