"""The options of the report."""

import dataclasses

from common.options import NOT_NEGATIVE, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """What the report of a run shows."""

    heat_map_seconds: float = option(
        "time that Evaluator may spend on heat maps of wrong answers; 0 for none",
        default=30.0,
        check=NOT_NEGATIVE,
    )
