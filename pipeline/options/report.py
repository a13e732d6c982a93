"""The options of the HTML report."""

import dataclasses

from common.options import NOT_NEGATIVE, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """The options of a run's HTML report."""

    heat_map_seconds: float = option(
        "seconds that Evaluator may spend on heat maps of wrong answers; 0 for no heat maps",
        default=30.0,
        check=NOT_NEGATIVE,
    )
