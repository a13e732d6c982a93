"""The options of reading images into examples."""

import dataclasses

from common.options import AT_LEAST_ONE, FRACTION, WHOLE, option


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
    max_quarantined: float = option(
        "largest share of images in quarantine with which a run goes on",
        default=0.05,
        check=FRACTION,
    )
    allow_anomalies: bool = option(
        "go on with data that differ from their schema, or in which most 16-bit images are nearly "
        "black",
        default=False,
    )
    max_value: int = option(
        "the value that is white in images of more than 8 bits a channel, such as 4095 of a camera "
        "with 12 bits; 0: the value that the file states, or 65535 of 16 bits",
        default=0,
        check=WHOLE,
    )
