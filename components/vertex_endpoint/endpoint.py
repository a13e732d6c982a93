"""An endpoint of Vertex AI, and the share of requests that each of its deployed models gets."""

import dataclasses
from typing import Any

from common.errors import InputError
from components.vertex_endpoint.client import AGAIN, explain
from components.vertex_endpoint.settings import EndpointSettings


@dataclasses.dataclass(frozen=True)
class Deployed:
    """A model that is deployed to the endpoint.

    Attributes:
      id: the id of the deployed model.
      model: the resource name of the model in the registry.
      version: the id of the model's version in the registry.
      traffic: the percentage of requests that the model gets.
    """

    id: str
    model: str
    version: str
    traffic: int


class Endpoint:
    """An endpoint of Vertex AI."""

    def __init__(self, resource: Any) -> None:
        """
        Args:
          resource: the client library's object for the endpoint.
        """
        self._resource = resource

    @classmethod
    def find(cls, sdk: Any, settings: EndpointSettings) -> "Endpoint | None":
        """Finds the endpoint by its display name or its resource name.

        Raises:
          InputError: several endpoints have the name, or the resource name does not exist.
        """
        name = settings.endpoint
        with explain(f"looking for the endpoint {name}"):
            if "/" in name:
                return cls(sdk.Endpoint(name))
            found = [e for e in sdk.Endpoint.list() if e.display_name == name]
        if len(found) > 1:
            names = ", ".join(endpoint.resource_name for endpoint in found)
            raise InputError(
                f"--endpoint {name}: {len(found)} endpoints have this name; expected one of {names}"
            )
        return cls(found[0]) if found else None

    @classmethod
    def create(cls, sdk: Any, settings: EndpointSettings) -> "Endpoint":
        """Creates an endpoint."""
        with explain(f"creating the endpoint {settings.endpoint}"):
            return cls(
                sdk.Endpoint.create(
                    display_name=settings.endpoint,
                    labels=dict(settings.labels) | {"pipeline": settings.pipeline},
                    encryption_spec_key_name=settings.encryption_key,
                )
            )

    @property
    def name(self) -> str:
        """The resource name of the endpoint."""
        return str(self._resource.resource_name)

    def list_deployed(self) -> list[Deployed]:
        """Returns the models that are deployed to the endpoint now."""
        with explain("looking at the endpoint"):
            # Reading the property `traffic_split` sends a request to Vertex AI. This request also
            # updates `gca_resource`, so `gca_resource` must be read after `traffic_split`.
            shares = self._resource.traffic_split
            resource = self._resource.gca_resource
            return [
                Deployed(model.id, model.model, model.model_version_id, shares.get(model.id, 0))
                for model in resource.deployed_models
            ]

    def deploy(self, model: Any, split: dict[str, int], settings: EndpointSettings) -> None:
        """Deploys a version of a model.

        Args:
          model: the client library's object for the version.
          split: a mapping from the id of each deployed model to its percentage of requests; the
            key "0" stands for the new model.
          settings: the settings of the endpoint, such as the machine type.
        """
        with explain("deploying the model"):
            self._resource.deploy(
                model,
                deployed_model_display_name=f"{settings.pipeline}-{model.version_id}",
                traffic_split=split,
                machine_type=settings.machine_type,
                accelerator_type=settings.accelerator_type or None,
                accelerator_count=settings.accelerator_count or None,
                min_replica_count=settings.min_replicas,
                max_replica_count=settings.max_replicas,
                service_account=settings.service_account,
            )

    def split(self, shares: dict[str, int]) -> None:
        """Sets the percentage of requests that each deployed model gets.

        Args:
          shares: the percentages, by the id of the deployed model.
        """
        with explain("changing the traffic"):
            self._resource.update(traffic_split=shares)

    def undeploy(self, deployed: Deployed) -> None:
        """Removes a deployed model that gets no requests."""
        with explain(f"removing version {deployed.version} from the endpoint", AGAIN):
            self._resource.undeploy(deployed.id)
