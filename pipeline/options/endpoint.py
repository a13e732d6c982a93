"""The options of an endpoint of Vertex AI.

This module does not import TensorFlow, which takes seconds to import.
"""

import dataclasses
import re

from common.errors import InputError
from common.options import AT_LEAST_ONE, Check, option
from components.vertex_endpoint.settings import EndpointSettings
from pipeline.options.cluster import Cloud

_ACCELERATOR = Check(
    "TYPE:COUNT, such as NVIDIA_L4:1",
    lambda value: re.fullmatch(r"[A-Z0-9_]+:[1-9]\d*", value) is not None,
)
_PERCENT = Check("a whole number from 0 to 100", lambda value: 0 <= value <= 100)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Endpoint:
    """The Vertex AI endpoint to which a run deploys its pushed model."""

    name: str | None = option(
        "endpoint of Vertex AI that gets the pushed model, by its name or resource name",
        default=None,
    )
    traffic: int = option(
        "per cent of the endpoint's requests that a new model gets until --promote",
        default=10,
        check=_PERCENT,
    )
    container: str | None = option(
        "image of TensorFlow Serving in Artifact Registry, for the endpoint", default=None
    )
    machine_type: str = option("machine type of the endpoint", default="n1-standard-4")
    accelerator: str | None = option(
        "type and number of accelerators of each machine of the endpoint, TYPE:COUNT",
        default=None,
        check=_ACCELERATOR,
    )
    min_replicas: int = option(
        "number of machines of the endpoint that always run", default=1, check=AT_LEAST_ONE
    )
    max_replicas: int = option(
        "largest number of machines of the endpoint under load", default=1, check=AT_LEAST_ONE
    )


def check_endpoint(name: str, endpoint: Endpoint, cloud: Cloud) -> None:
    """Checks that the options suffice to deploy a model to the endpoint, if there is an endpoint.

    Raises:
      InputError: an option is missing, or two options contradict each other.
    """
    settings = make_endpoint_settings(name, endpoint, cloud)
    if settings and not settings.container:
        raise InputError(
            f"--endpoint {settings.endpoint}: found no endpoint.container; expected the image of "
            "TensorFlow Serving in Artifact Registry (docs/vertex.md)"
        )


def make_endpoint_settings(name: str, endpoint: Endpoint, cloud: Cloud) -> EndpointSettings | None:
    """Returns the settings of a deployment to the endpoint; None if no endpoint is given.

    Args:
      name: the name of the pipeline.
      endpoint: the options of the endpoint.
      cloud: the project, the region and the service account.

    Raises:
      InputError: an option is missing, or two options contradict each other.
    """
    if endpoint.name is None:
        return None
    if not cloud.project or not cloud.region:
        raise InputError(
            f"--endpoint {endpoint.name}: found no --project or no --region; expected both"
        )
    if endpoint.max_replicas < endpoint.min_replicas:
        raise InputError(
            f"endpoint.max_replicas {endpoint.max_replicas}: expected at least "
            f"endpoint.min_replicas, {endpoint.min_replicas}"
        )
    accelerator, _, count = (endpoint.accelerator or "").rpartition(":")
    return EndpointSettings(
        pipeline=name,
        project=cloud.project,
        region=cloud.region,
        endpoint=endpoint.name,
        traffic=endpoint.traffic,
        container=endpoint.container,
        machine_type=endpoint.machine_type,
        accelerator_type=accelerator,
        accelerator_count=int(count or 0),
        min_replicas=endpoint.min_replicas,
        max_replicas=endpoint.max_replicas,
        service_account=cloud.service_account,
        encryption_key=cloud.encryption_key,
        labels=cloud.label_values(),
        api_endpoint=cloud.api_endpoint,
    )
