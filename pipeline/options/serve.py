"""The options of the exported model and of the serving directory."""

import dataclasses

from common.options import AT_LEAST_ONE, POSITIVE_FRACTION, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Serve:
    """How pushed models are served; each field is an option `serve.…` of the pipeline."""

    precision: float | None = option(
        "wanted share of right answers among those that the exported model accepts; null accepts "
        "every answer to a valid image",
        default=None,
        check=POSITIVE_FRACTION,
    )
    keep_versions: int = option(
        "versions that stay in the serving directory; older ones are removed after a push",
        default=5,
        check=AT_LEAST_ONE,
    )
    max_batch: int = option(
        "images in the largest batch of a server: of the warm-up requests, and in batching.config "
        "when it is first written",
        default=32,
        check=AT_LEAST_ONE,
    )
