"""The settings of a deployment to a Vertex AI endpoint. This module does not import TensorFlow,
which takes seconds to import.
"""

import dataclasses
from collections.abc import Mapping

from common.custom_config import node_settings


@node_settings
@dataclasses.dataclass(frozen=True, kw_only=True)
class EndpointSettings:
    """The settings of an endpoint.

    Attributes:
      pipeline: the name of the pipeline, and of its model in the registry.
      project: the Google Cloud project.
      region: the region, such as europe-west4.
      endpoint: the display name or the full resource name of the endpoint.
      traffic: the percentage of requests that a candidate gets, 0 to 100.
      container: the image of TensorFlow Serving, in Artifact Registry; None if the command deploys
        nothing.
      machine_type: the type of the machines, such as n1-standard-4.
      accelerator_type: the type of the accelerators, such as NVIDIA_TESLA_T4; empty for none.
      accelerator_count: the number of accelerators of each machine.
      min_replicas: the number of machines that always run.
      max_replicas: the largest number of machines that run under load.
      service_account: the account of the machines; None for Vertex AI's default account.
      encryption_key: the full name of a Cloud KMS key; None for Google's default encryption.
      labels: additional labels of the model and of the endpoint.
      api_endpoint: the address of Vertex AI's API; None for Google's public address.
    """

    pipeline: str
    project: str
    region: str
    endpoint: str
    traffic: int
    container: str | None
    machine_type: str
    accelerator_type: str
    accelerator_count: int
    min_replicas: int
    max_replicas: int
    service_account: str | None
    encryption_key: str | None
    labels: Mapping[str, str]
    api_endpoint: str | None
