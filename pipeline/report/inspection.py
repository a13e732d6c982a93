"""The results of an inspection of the images."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from common.errors import RefusedError
from components.data_check.issues import Issue, check_leaks, read_issues
from components.example_check.quarantine import check_quarantine, find_dark_images
from components.image_example_gen.counts import read_counts
from components.report.read_artifacts import list_anomalies
from pipeline.options.config import Config
from pipeline.report.lineage import NodeRun
from pipeline.report.results import describe_counts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inspection:
    """The results of an inspection of the images.

    Attributes:
      found: a line with the numbers of images that were read, written to each split, and
        quarantined; and a line with the number of issues of each kind that DataCheck found.
      refusals: the reasons why a run on these images would stop before the training, one line each.
      page: the path of the HTML report.
    """

    found: Sequence[str]
    refusals: Sequence[str]
    page: str


def allow_everything(config: Config) -> Config:
    """Returns `config` without limits on quarantined images, anomalies and leaks, so that an
    inspection reports all issues instead of stopping at the first issue.
    """
    ingest = dataclasses.replace(config.ingest, max_quarantined=1.0, allow_anomalies=True)
    return dataclasses.replace(
        config, ingest=ingest, data=dataclasses.replace(config.data, max_leak=1.0)
    )


def describe_inspection(
    config: Config, run: Mapping[str, NodeRun], classes: Sequence[str], page: str
) -> Inspection:
    """Returns the results of an inspection, with the reasons why a run would refuse the images.

    Args:
      config: the configuration before `allow_everything` changed its limits.
      run: the nodes of the inspection.
      classes: the class names.
      page: the path of the HTML report.
    """
    (examples,) = run["ImageExampleGen"].outputs["examples"]
    counts, issues = read_counts(examples.uri), _read_issues(run)
    kinds = Counter(issue.kind for issue in issues)
    checked = ", ".join(f"{kind}: {count}" for kind, count in kinds.items()) or "no issue found"
    off = config.data.check == "off"
    return Inspection(
        found=[
            describe_counts(counts),
            f"data check: {'off' if off else checked}",
        ],
        refusals=list(_list_refusals(config, run, classes, counts["test"], issues)),
        page=page,
    )


def _read_issues(run: Mapping[str, NodeRun]) -> list[Issue]:
    if "DataCheck" not in run:
        return []
    (found,) = run["DataCheck"].outputs["data_issues"]
    return [Issue(**values) for values in read_issues(found.uri)]


def _list_refusals(
    config: Config,
    run: Mapping[str, NodeRun],
    classes: Sequence[str],
    test_images: int,
    issues: Sequence[Issue],
) -> Iterator[str]:
    (examples,) = run["ImageExampleGen"].outputs["examples"]
    (anomalies,) = run["ExampleValidator"].outputs["anomalies"]
    try:
        check_quarantine(examples.uri, classes, config.ingest.max_quarantined)
    except RefusedError as error:
        yield str(error)
    found = [*list_anomalies(anomalies), *(dark.what for dark in find_dark_images(examples.uri))]
    if found and not config.ingest.allow_anomalies:
        yield f"{len(found)} anomalies in the data, such as {found[0]}"
    try:
        check_leaks(issues, test_images, config.data.max_leak)
    except RefusedError as error:
        yield str(error)
