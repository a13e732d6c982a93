"""The rows of DataCheck's list as a report shows them: by kind, in words."""

from collections.abc import Mapping
from typing import Any

from components.report.contents import Issues

_SHOWN = 30  # of each kind


def group_issues(issues: Issues) -> list[tuple[str, str, list[dict[str, str]], int]]:
    """Returns for each kind of issue: its name, what was looked for, the first rows, their number.

    Kinds with the most rows come last, so that a rare and grave issue is not overlooked.
    """
    groups = []
    for kind, about in issues.examined.items():
        records = [record for record in issues.records if record["kind"] == kind]
        rows = [
            {
                "file": str(record.get("file_name", "")),
                "found": _describe(record),
                "score": f"{record['score']:.2f}",
            }
            for record in records[:_SHOWN]
        ]
        groups.append((kind, about, rows, len(records)))
    return sorted(groups, key=lambda group: (not group[3], group[3]))


def _describe(record: Mapping[str, Any]) -> str:
    parts = [f"{record['split']}, {record['label']}"] if record.get("split") else []
    if other := record.get("other"):
        parts.append(f"same as {other} ({record['other_split']}, {record['other_label']})")
    if detail := record.get("detail"):
        parts.append(str(detail))
    return "; ".join(parts)
