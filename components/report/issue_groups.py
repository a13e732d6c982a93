"""Groups the issues of DataCheck by kind for a report, and describes each issue in words."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.data_check.issues import LABEL
from components.report.contents import Issues, Thumbnail

_SHOWN = 30  # largest number of issues of each kind that are shown
MOST_IMAGES = 24  # largest number of issues of each kind that are shown with their images


@dataclasses.dataclass(frozen=True, kw_only=True)
class IssueRow:
    """A row in a report's table of issues.

    Attributes:
      file: name of the image; empty if the issue concerns a class.
      found: a description of the issue in words.
      score: the score of the issue, as text.
      images: the name and the thumbnail of the image; for two images that look the same, the names
        and the thumbnails of both.
    """

    file: str
    found: str
    score: str
    images: Sequence[tuple[str, Thumbnail]] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class IssueGroup:
    """The issues of one kind.

    Attributes:
      kind: the name of the kind.
      about: a description of the kind.
      rows: the issues that the page shows, the most severe first.
      total: the number of all issues of the kind.
      is_open: whether the page shows the rows before the reader clicks on the group.
    """

    kind: str
    about: str
    rows: Sequence[IssueRow]
    total: int
    is_open: bool

    @property
    def has_images(self) -> bool:
        """Whether at least one row has an image."""
        return any(row.images for row in self.rows)


def group_issues(issues: Issues, most_images: int = MOST_IMAGES) -> list[IssueGroup]:
    """Groups the issues by kind.

    The kinds with the fewest issues come first, so that a rare but serious issue is not overlooked.
    Kinds without issues come last.
    """
    found = []
    for kind, about in issues.examined.items():
        records = [record for record in issues.records if record["kind"] == kind]
        found.append((kind, about, records))
    found.sort(key=lambda group: (not group[2], len(group[2])))
    return [
        IssueGroup(
            kind=kind,
            about=about,
            rows=[
                IssueRow(
                    file=str(record.get("file_name", "")),
                    found=_describe(record),
                    score=f"{record['score']:.2f}",
                    images=[
                        (name, issues.thumbnails[name])
                        for name in _names(record)
                        if place < most_images and name in issues.thumbnails
                    ],
                )
                for place, record in enumerate(records[:_SHOWN])
            ],
            total=len(records),
            is_open=bool(records) and (number < 2 or kind == LABEL),
        )
        for number, (kind, about, records) in enumerate(found)
    ]


def choose_issue_images(issues: Issues) -> set[str]:
    """Returns the names of the images that a page shows together with their issues."""
    return {
        name
        for kind in issues.examined
        for record in [record for record in issues.records if record["kind"] == kind][:MOST_IMAGES]
        for name in _names(record)
    }


def _names(record: Mapping[str, Any]) -> Iterator[str]:
    yield from (str(record[key]) for key in ("file_name", "other") if record.get(key))


def _describe(record: Mapping[str, Any]) -> str:
    parts = [f"{record['split']}, {record['label']}"] if record.get("split") else []
    if other := record.get("other"):
        parts.append(f"same as {other} ({record['other_split']}, {record['other_label']})")
    elif likelier := record.get("other_label"):
        parts.append(f"rather {likelier}")
    if detail := record.get("detail"):
        parts.append(str(detail))
    return "; ".join(parts)
