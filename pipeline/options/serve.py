"""The options for exporting the model and for pushing it to the serving directory."""

import dataclasses

from common.options import AT_LEAST_ONE, POSITIVE_FRACTION, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Serve:
    """The options for exporting the model and for pushing it to the serving directory."""

    precision: float | None = option(
        "required share of correct predictions among the accepted predictions of the exported "
        "model; null "
        "accepts every prediction for a valid image",
        default=None,
        check=POSITIVE_FRACTION,
    )
    keep_versions: int = option(
        "number of versions that stay in the serving directory; a push removes older versions",
        default=5,
        check=AT_LEAST_ONE,
    )
    max_batch: int = option(
        "number of images in the largest batch of a server, for warm-up requests and for a new "
        "batching.config",
        default=32,
        check=AT_LEAST_ONE,
    )
