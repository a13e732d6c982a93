"""The settings of ModelPusher.

This module imports neither TensorFlow nor TFX, which take seconds to import.
"""

import dataclasses

from common.custom_config import node_settings
from components.vertex_endpoint.settings import EndpointSettings


@node_settings
@dataclasses.dataclass(frozen=True, kw_only=True)
class PusherSettings:
    """The settings of ModelPusher, which are passed as `custom_config` (see
    `common.custom_config`).

    Attributes:
      serving_state: the string that `components.model_pusher.last_push.Serving.key` returned when
        the run started; a part of the cache key.
      push_record: URI of the file that records the last push.
      training: fingerprint of the training that made the model.
      fail_on_unblessed: whether the node fails if the model is not pushed.
      keep_versions: the number of versions to keep in the serving directory.
      model_name: the name of the model in the configuration of TensorFlow Serving.
      max_batch: the number of images in the largest batch that a server computes.
      endpoint: the endpoint of Vertex AI to which the pushed model is deployed; None if the model
        is not deployed to an endpoint.
      code_fingerprint: fingerprint of the executor's code.
    """

    serving_state: str
    push_record: str
    training: str
    fail_on_unblessed: bool
    keep_versions: int
    model_name: str
    max_batch: int
    endpoint: EndpointSettings | None
    code_fingerprint: str
