"""The command `--history`: lists the runs in pipeline roots.

This module does not import TensorFlow, which takes seconds to import.
"""

from collections.abc import Iterable

from common.text import make_printable
from components.report.run_record import PastRun, read_runs
from pipeline.command_line.tables import make_table

_HEADER = ("RUN", "ENDED", "DATASET", "MODEL", "TUNE", "ACCURACY", "VERDICT", "REPORT")


def list_history(roots: Iterable[str]) -> str:
    """Returns a table of the runs in pipeline roots, with the oldest run of each root first.

    Args:
      roots: paths, or URIs in a bucket.

    Raises:
      InputError: a bucket cannot be read.
    """
    rows = [tuple(map(make_printable, _row(run))) for root in roots for run in read_runs(root)]
    return make_table([_HEADER, *rows]) if rows else "no runs"


def _row(run: PastRun) -> tuple[str, ...]:
    record = run.record
    accuracy = record.right / record.images if record.images else 0.0
    return (
        run.name,
        run.ended,
        record.dataset,
        record.model,
        record.tune,
        f"{accuracy:.4f} ({record.low:.2f} to {record.high:.2f}, {record.images} images)",
        record.verdict + ", all from the cache" * run.is_cached,
        run.page,
    )
