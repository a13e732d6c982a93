"""What a deployment to a Vertex AI endpoint needs to know. Imports neither TensorFlow nor TFX."""

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
      region: such as europe-west4.
      endpoint: display name or full resource name of the endpoint.
      traffic: per cent of the requests that a candidate gets, 0 to 100.
      container: the image of TensorFlow Serving, in Artifact Registry; None where nothing is
        deployed.
      machine_type: such as n1-standard-4.
      accelerator_type: such as NVIDIA_TESLA_T4; empty for none.
      accelerator_count: accelerators of each machine.
      min_replicas: machines that always run.
      max_replicas: machines that run under load.
      service_account: the account of the machines; None for Vertex AI's own.
      encryption_key: full name of the Cloud KMS key; None for Google's.
      labels: more labels of the model and of the endpoint.
      api_endpoint: the address of Vertex AI's API; None for the public one.
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
