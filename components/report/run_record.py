"""The record of a run: a small JSON file in the directory of the run's report. `--history` reads
the records to list the runs.

This module imports TensorFlow, which takes seconds, only to write to a bucket.
"""

import dataclasses
import datetime
import json
from collections.abc import Iterator, Mapping
from typing import Any

from common.files import read_bytes, write_whole
from common.notice import print_notice
from common.plain_storage import find_files, read_files
from components.report.artifact_files import PAGE
from components.report.contents import Contents

FILE = "run.json"
# A file in a pipeline root, with one line for each run that took all results from the cache.
CACHED = "Report/cached_runs.jsonl"
_LOCAL = "Report/report"  # the folder in a pipeline root that contains the reports of local runs
_MOST_CACHED = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The record of a run whose model was evaluated.

    Attributes:
      ended: the time at which the report was written, such as 2026-01-31 12:00 UTC.
      name: the name of the pipeline.
      model: the name of the backbone.
      dataset: the name of the dataset.
      tune: "full" or "head".
      right, images: the number of correct predictions, and the number of test images.
      low, high: the ends of the 95 % confidence interval of the accuracy.
      blessed: whether the gate blessed the model.
      version: the version that was pushed; empty if no version was pushed.
      reasons: the reasons why the model was not pushed; empty if it was pushed.
      seconds: the time of all nodes in seconds, including the nodes whose outputs were taken from
        the cache; 0 if it is unknown.
      options: a mapping from an option's name, such as `train.epochs`, to its value as a text; it
        contains all training options, and all other options that differ from their defaults.
      lineage: a mapping from the name of an input, such as "images" or "code", to the fingerprint
        of the input, and from "champion" to the URI of the champion's record.
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
    seconds: float = 0.0
    options: dict[str, str] = dataclasses.field(default_factory=dict)
    lineage: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Says in words whether the model was blessed, and whether it was pushed."""
        if self.version:
            return f"pushed {self.version}"
        return "blessed, not pushed" if self.blessed else "not blessed"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PastRun:
    """A past run whose results are in a pipeline root.

    Attributes:
      name: the name that identifies the run on the command line, such as flowers/12.
      record: the record of the run. If the run took all results from the cache, `record` is the
        record of the earlier run that computed the results.
      ended: the time at which the run ended.
      page: path or URI of the HTML page of the run's report.
      is_cached: whether the run took all results from the cache.
    """

    name: str
    record: RunRecord
    ended: str
    page: str
    is_cached: bool = False


def make_record(contents: Contents) -> RunRecord | None:
    """Makes the record of a run; returns None if the run ended before the gate judged its model."""
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
        seconds=round(sum(node.seconds for node in contents.nodes), 1),
        options=dict(settings.options),
        lineage=dict(settings.lineage),
    )


def format_record(record: RunRecord) -> str:
    """Formats a record as JSON text."""
    return json.dumps(dataclasses.asdict(record), indent=1)


def parse_record(text: bytes) -> RunRecord:
    """Parses the JSON text of a record.

    Raises:
      ValueError: the text is damaged.
    """
    try:
        values: dict[str, Any] = json.loads(text)
        return RunRecord(**values)
    except TypeError as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def note_cached_run(root: str, page: str) -> None:
    """Adds the current run to the list of runs that took all results from the cache.

    The current time is noted as the end of the run.

    Args:
      root: path or URI of the pipeline root.
      page: path or URI of the HTML page that the run took from the cache; the page is in a folder
        below `root`.
    """
    file = f"{root}/{CACHED}"
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = (read_bytes(file) or b"").decode(errors="replace").splitlines()
    lines.append(json.dumps({"ended": now, "report": _inner(page, root)}))
    write_whole(file, "\n".join([*lines[-_MOST_CACHED:], ""]))


def read_runs(root: str) -> list[PastRun]:
    """Returns the runs in a pipeline root that evaluated a model, the newest run last.

    A damaged record is left out, and a notice is printed.

    Args:
      root: a directory, or a URI in a bucket. In a bucket, `read_runs` searches all folders below
        `root`, because runs on a cluster do not write to the same folder as local runs.

    Raises:
      InputError: the bucket cannot be read.
    """
    root = root.rstrip("/")
    files = find_files(root, f"**/{FILE}" if "://" in root else f"{_LOCAL}/*/{FILE}")
    cached = f"{root}/{CACHED}"
    *contents, lines = read_files([*files, cached])
    runs = {}
    for file, text in zip(files, contents, strict=True):
        try:
            record = parse_record(text or b"")
        except ValueError as error:
            print_notice(f"{file}: damaged record of a run ({error}); it is left out")
            continue
        inner = _inner(file, root)
        name = f"{root.rpartition('/')[2]}/{inner.removeprefix(f'{_LOCAL}/')}"
        page = f"{root}/{inner}/{PAGE}"
        runs[inner] = PastRun(name=name, record=record, ended=record.ended, page=page)
    found = [*runs.values(), *_cached_runs(cached, lines or b"", runs)]
    return sorted(found, key=lambda run: (run.ended, run.is_cached, _number(run.name)))


def _cached_runs(file: str, lines: bytes, runs: Mapping[str, PastRun]) -> Iterator[PastRun]:
    for line in lines.decode(errors="replace").splitlines():
        try:
            values = json.loads(line)
            run = runs.get(values["report"])
            if run is not None:  # `run` is None if the report was removed
                yield dataclasses.replace(run, ended=str(values["ended"]), is_cached=True)
        except (ValueError, TypeError, KeyError) as error:
            print_notice(f"{file}: damaged note of a cached run ({error}); it is left out")


def _inner(file: str, root: str) -> str:
    """Returns the path of the folder that contains `file`, relative to the pipeline root."""
    return file.rpartition("/")[0].removeprefix(f"{root}/")


def _number(name: str) -> int:
    """Returns the execution number in a run's name, to sort runs that ended in the same minute."""
    last = name.rpartition("/")[2].partition("-")[0]
    return int(last) if last.isdecimal() else 0
