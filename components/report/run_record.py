"""A small record of a run beside its report, from which `--history` lists the runs of a root.

Imports neither TensorFlow nor TFX.
"""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common.notice import notice
from components.report.artifact_files import PAGE
from components.report.contents import Contents

FILE = "run.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run that was evaluated.

    Attributes:
      ended: when its report was written, such as 2026-01-31 12:00 UTC.
      name: of the pipeline.
      model: of the backbone.
      dataset: of the images.
      tune: "full" or "head".
      right, images: number of right answers, and of test images.
      low, high: the 95 % interval of the accuracy.
      blessed: whether the gate blessed the model.
      version: the version that was pushed; empty if none was.
      reasons: why the model was not pushed; empty if it was.
    """

    ended: str
    name: str
    model: str
    dataset: str
    tune: str
    right: int
    images: int
    low: float
    high: float
    blessed: bool
    version: str
    reasons: str


def make_record(contents: Contents) -> RunRecord | None:
    """Makes the record of a run; None for a run that ended before its model was judged."""
    answers, verdict, settings = contents.answers, contents.verdict, contents.settings
    if answers is None or verdict is None:
        return None
    share = answers.accuracy
    return RunRecord(
        ended=contents.made_at,
        name=settings.name,
        model=settings.model,
        dataset=settings.dataset,
        tune=settings.tune,
        right=share.hits,
        images=share.of,
        low=round(share.low, 4),
        high=round(share.high, 4),
        blessed=verdict.blessed,
        version=verdict.version,
        reasons=verdict.reasons or verdict.unpushed,
    )


def format_record(record: RunRecord) -> str:
    """Formats the content of FILE."""
    return json.dumps(dataclasses.asdict(record), indent=1)


def read_records(root: Path) -> Iterator[tuple[RunRecord, Path]]:
    """Yields the records of the local runs below a pipeline root, and the pages of their reports.

    The newest come last. A damaged record is named, and left out.
    """
    found = []
    for file in root.glob(f"Report/report/*/{FILE}"):
        try:
            values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            found.append((RunRecord(**values), file.with_name(PAGE)))
        except (ValueError, TypeError, OSError) as error:
            notice(f"{file}: damaged record of a run ({error}); it is left out")
    yield from sorted(found, key=lambda entry: (entry[0].ended, entry[1].stat().st_mtime_ns))
