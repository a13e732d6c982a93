"""The options of reading images into examples."""

import dataclasses

from common.options import AT_LEAST_ONE, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ingest:
    """The options of reading images into examples."""

    max_side: int = option(
        "longest side of an image in pixels; larger images are scaled down",
        default=1024,
        check=AT_LEAST_ONE,
    )
    max_pixels: int = option(
        "an image of more pixels is refused by its header, when it is ingested and when it is "
        "served",
        default=100_000_000,
        check=AT_LEAST_ONE,
    )
