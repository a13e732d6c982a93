"""The settings that the pipeline passes to ServingCheck. This module does not import TensorFlow,
which takes seconds to import.
"""

import dataclasses

from common.custom_config import node_settings


@node_settings
@dataclasses.dataclass(frozen=True, kw_only=True)
class ServingCheckSettings:
    """The settings of ServingCheck, which are passed as an execution property of the node.

    Attributes:
      images: the number of test images that are sent.
      timeout_seconds: the longest allowed time of a request. The time of the first request includes
        the time to load the model.
      max_memory_gb: the most memory that the process may use, in GB (10^9 bytes); None for nine
        tenths of the memory that is free when the check starts.
      max_p99_ms: the greatest allowed 99th percentile of the time of a request with one image, in
        milliseconds; None for no limit.
      tolerance: the greatest allowed difference between the probabilities of an image in two
        requests, or in a request and in Evaluator's predictions.
      code_fingerprint: fingerprint of the executor's code.
    """

    images: int
    timeout_seconds: float
    max_memory_gb: float | None
    max_p99_ms: float | None
    tolerance: float
    code_fingerprint: str
