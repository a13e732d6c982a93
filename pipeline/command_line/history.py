"""`--history`: the runs of pipelines on this machine. Imports no TensorFlow."""

from collections.abc import Iterable
from pathlib import Path

from common.text import make_printable
from components.report.run_record import RunRecord, read_records
from pipeline.command_line.tables import make_table

_HEADER = ("ENDED", "NAME", "DATASET", "MODEL", "TUNE", "ACCURACY", "VERDICT", "REPORT")


def list_history(roots: Iterable[Path]) -> str:
    """Returns a table of the runs below pipeline roots, the newest of each root last.

    A run that took everything from the cache has no line of its own.
    """
    rows = [
        tuple(map(make_printable, _row(record, page)))
        for root in roots
        for record, page in read_records(root)
    ]
    return make_table([_HEADER, *rows]) if rows else "no runs"


def _row(record: RunRecord, page: Path) -> tuple[str, ...]:
    accuracy = record.right / record.images if record.images else 0.0
    if record.version:
        verdict = f"pushed {record.version}"
    else:
        verdict = "blessed, not pushed" if record.blessed else "not blessed"
    return (
        record.ended,
        record.name,
        record.dataset,
        record.model,
        record.tune,
        f"{accuracy:.4f} ({record.low:.2f} to {record.high:.2f}, {record.images} images)",
        verdict,
        str(page),
    )
