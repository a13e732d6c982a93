"""The versions of a pipeline's model in the model registry of Vertex AI.

The id of the model is the pipeline's name. An alias belongs to at most one version of the model:

- `candidate` is a new version that gets only a part of the requests; --promote gives it all.
- `default` is the version that serves clients; Vertex AI gives this alias to the first version of a
  model.
- `previous` is the version that served clients before `default`; --rollback makes it serve again.
- `withdrawn` is the version that the last --rollback removed from the endpoint.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from google.api_core import exceptions

from common.errors import InputError
from components.vertex_endpoint.client import AGAIN, explain
from components.vertex_endpoint.settings import EndpointSettings

CANDIDATE, DEFAULT, PREVIOUS, WITHDRAWN = "candidate", "default", "previous", "withdrawn"
_PORT = 8080
# Matches names that are valid both as the name of a pipeline and as the id of a model.
_ID = re.compile(r"[a-z][a-z0-9-]{0,62}")


@dataclasses.dataclass(frozen=True)
class ModelVersion:
    """A version of the model in the registry.

    Attributes:
      id: the number of the version in the registry, as a text.
      aliases: the aliases of the version.
      identity: the digest of the exported model, as the function `identity` in
        `components.model_pusher.serving_directory` computes it; empty for a version that this
        project did not upload.
    """

    id: str
    aliases: frozenset[str]
    identity: str


class Registry:
    """The registered versions of one pipeline's model."""

    def __init__(self, sdk: Any, settings: EndpointSettings) -> None:
        """
        Args:
          sdk: the connected client library.
          settings: the settings of the endpoint.

        Raises:
          InputError: the pipeline's name is not valid as the id of a model.
        """
        if not _ID.fullmatch(settings.pipeline):
            raise InputError(
                f"--name {settings.pipeline}: expected at most 63 characters of a-z, 0-9 and -, "
                "the first a letter, since the name becomes the id of the model in Vertex AI"
            )
        self._sdk = sdk
        self._settings = settings
        self._registry = sdk.models.ModelRegistry(settings.pipeline)

    @property
    def resource(self) -> str:
        """The resource name of the model."""
        return str(self._registry.model_resource_name)

    def list_versions(self) -> list[ModelVersion]:
        """Returns all versions; none if the model does not exist yet."""
        with explain("listing the versions of the model"):
            try:
                found = self._registry.list_versions()
            except exceptions.NotFound:
                return []
        return [
            ModelVersion(
                version.version_id,
                frozenset(version.version_aliases or ()),
                (version.version_description or "").rpartition("export ")[2],
            )
            for version in found
        ]

    def upload(
        self, *, artifact_uri: str, identity: str, source: str, labels: Mapping[str, str]
    ) -> str:
        """Uploads a model; returns the id of its version.

        The first version of a model gets the alias `default`, and later versions get no alias.

        Args:
          artifact_uri: a directory in a bucket, which contains the numbered directory of the
            version.
          identity: the identity of the exported model, as in `ModelVersion`.
          source: the directory to which the version was pushed; the version's description in the
            registry names this directory.
          labels: the labels of the version.
        """
        name = self._settings.pipeline
        exists = bool(self.list_versions())
        with explain("uploading the model"):
            model = self._sdk.Model.upload(
                **({"parent_model": name} if exists else {"model_id": name}),
                display_name=name,
                is_default_version=False,
                version_description=f"{source}, export {identity}",
                labels=dict(labels),
                artifact_uri=artifact_uri,
                serving_container_image_uri=self._settings.container,
                # This command replaces the entry point of TensorFlow Serving's image, because the
                # entry point does not listen on the port `_PORT`, and reads the name of the model
                # from environment variables instead of arguments.
                serving_container_command=["/usr/bin/tensorflow_model_server"],
                serving_container_args=[
                    f"--rest_api_port={_PORT}",
                    "--port=8500",
                    f"--model_name={name}",
                    # Vertex AI replaces AIP_STORAGE_URI with the address of its copy of the model.
                    "--model_base_path=$(AIP_STORAGE_URI)",
                    # With 0, TensorFlow Serving looks for versions only when it starts. Vertex AI's
                    # copy of the model never gets a new version.
                    "--file_system_poll_wait_seconds=0",
                ],
                serving_container_ports=[_PORT],
                serving_container_predict_route=f"/v1/models/{name}:predict",
                serving_container_health_route=f"/v1/models/{name}",
                encryption_spec_key_name=self._settings.encryption_key,
            )
        return str(model.version_id)

    def model(self, version: str) -> Any:
        """Returns the client library's object for a version of the model."""
        with explain(f"looking at version {version} of the model"):
            return self._sdk.Model(f"{self.resource}@{version}")

    def move_alias(self, alias: str, version: str) -> None:
        """Gives an alias to a version, and removes the alias from the version that had it."""
        owner = find(self.list_versions(), alias)
        if owner and owner.id == version:
            return
        # The alias `default` cannot be removed, since one version must always have it; Vertex AI
        # moves this alias when another version gets it.
        if owner and alias != DEFAULT:
            self.remove_alias(alias, owner.id)
        with explain(f"moving the alias {alias}", AGAIN):
            self._registry.add_version_aliases([alias], version)

    def remove_alias(self, alias: str, version: str) -> None:
        """Removes an alias from a version."""
        with explain(f"removing the alias {alias}", AGAIN):
            self._registry.remove_version_aliases([alias], version)


def find(versions: list[ModelVersion], alias: str) -> ModelVersion | None:
    """Returns the version with an alias; None if no version has it."""
    return next((version for version in versions if alias in version.aliases), None)
