"""Finds the URI of an artifact in the object store when a step has only a local copy of the
artifact.
"""

from tfx.types import Artifact

# On Kubeflow Pipelines, the `uri` of an input artifact is the path of a copy on the disk of the
# container. The custom property `store_uri` contains the URI of the artifact in the object store.
STORE_URI = "store_uri"


def read_store_uri(artifact: Artifact) -> str:
    """Returns the URI at which a user finds the artifact after the run."""
    return artifact.get_string_custom_property(STORE_URI) or artifact.uri
