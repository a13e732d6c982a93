"""The options of ServingCheck, which loads and tests the exported model as a model server would."""

import dataclasses

from common.options import AT_LEAST_ONE, FRACTION, POSITIVE, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServingCheck:
    """The options of ServingCheck, such as limits on the latency and memory of the model."""

    images: int = option(
        "number of test images that are sent to the exported model",
        default=64,
        check=AT_LEAST_ONE,
    )
    timeout_seconds: float = option(
        "longest time of a request, on the CPU, in seconds; the first request loads the model",
        default=300.0,
        check=POSITIVE,
    )
    max_memory_gb: float | None = option(
        "most memory of the process that serves, in GB (10^9 bytes); null for 90 % of the free "
        "memory",
        default=None,
        check=POSITIVE,
    )
    max_p99_ms: float | None = option(
        "greatest 99th percentile of the time for one image, in ms on the CPU; null for no limit",
        default=None,
        check=POSITIVE,
    )
    tolerance: float | None = option(
        "greatest difference between the probabilities of an image sent alone, sent in a batch, "
        "and in Evaluator (default: 0.0001, or 0.02 with a mixed --precision)",
        default=None,
        check=FRACTION,
    )
