"""The command `--compare RUN RUN`: shows two runs side by side, as text and as an HTML page.

This module does not import TensorFlow, which takes seconds to import.
"""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from common.errors import InputError
from common.files import write_whole
from common.plain_storage import read_files
from common.text import make_printable
from components.report.answers_file import FILE as ANSWERS
from components.report.answers_file import parse_answers
from components.report.artifact_files import PAGE
from components.report.comparison import ComparedRun, Comparison, compare_runs
from components.report.comparison_page import make_comparison_page
from components.report.page_images import read_page_images
from components.report.run_record import FILE as RECORD
from components.report.run_record import parse_record, read_runs
from pipeline.command_line.tables import make_table

_MOST_IMAGES = 20  # largest number of images that `_describe` lists


def compare(names: Sequence[str], roots: Sequence[str], folder: Path) -> str:
    """Compares two runs, returns the comparison as text, and writes the comparison as an HTML page.

    Args:
      names: the two runs. A run can be given as its name in `--history`, as the path of its HTML
        report, or as the directory of the report. The name of a pipeline stands for the pipeline's
        newest run.
      roots: the paths or URIs of the pipeline roots that contain the runs.
      folder: the directory for the HTML page.

    Raises:
      InputError: a run does not exist, or files of a run are missing or damaged.
    """
    first, second = (_read_compared_run(name, roots) for name in names)
    if first.page == second.page:
        raise InputError(
            f"--compare {' '.join(names)}: found the same run twice; expected two runs"
        )
    # If two runs in different pipeline roots have the same name, the comparison names the runs by
    # the paths of their reports.
    if first.name == second.name:
        first, second = (dataclasses.replace(run, name=run.page) for run in (first, second))
    comparison = compare_runs(first, second)
    file = folder / f"{_file_name(first.name)}-and-{_file_name(second.name)}.html"
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(file, make_comparison_page(comparison))
    lines = [*_describe(comparison), "", f"page: {file}"]
    return "\n".join(map(make_printable, lines))


def _read_compared_run(name: str, roots: Sequence[str]) -> ComparedRun:
    page, short = _find_run(name, roots)
    folder = page.rpartition("/")[0]
    record, answers, text = read_files([f"{folder}/{RECORD}", f"{folder}/{ANSWERS}", page])
    if record is None:
        raise InputError(
            f"--compare {name}: {folder} has no {RECORD}; expected the report of a run whose model "
            "was evaluated (--history lists such runs)"
        )
    if answers is None:
        raise InputError(
            f"--compare {name}: {folder} has no {ANSWERS}, since an earlier version of the "
            "pipeline wrote this report; run the pipeline again (only Report runs)"
        )
    try:
        return ComparedRun(
            name=short,
            page=page,
            record=parse_record(record),
            answers=parse_answers(answers),
            images=read_page_images((text or b"").decode(errors="replace")),
        )
    except ValueError as error:
        raise InputError(
            f"--compare {name}: a file in {folder} is damaged ({error}); remove {folder} and run "
            "the pipeline again"
        ) from error


def _find_run(name: str, roots: Sequence[str]) -> tuple[str, str]:
    """Returns the path of a run's HTML report, and the run's name."""
    folder = name.removesuffix(f"/{PAGE}").rstrip("/")
    if folder != name or "://" in name or Path(folder, PAGE).is_file():
        return f"{folder}/{PAGE}", "/".join(folder.replace("/Report/report", "").split("/")[-2:])
    runs = [run for root in roots for run in read_runs(root) if not run.is_cached]
    of_pipeline = [run for run in runs if run.record.name == name]
    for run in [*(run for run in runs if run.name == name), *of_pipeline[-1:]]:
        return run.page, run.name
    known = ", ".join(run.name for run in runs[-3:])
    raise InputError(
        f"--compare {name}: no such run; expected the name of a run (see --history), the name of "
        "a pipeline (its newest run), or the path of a report"
        + (f"; there are {known}" if known else "; there are no runs")
    )


def _describe(comparison: Comparison) -> Iterator[str]:
    first, second = (run.name for run in comparison.runs)
    rows = [("", first, second)]
    rows += [(name, *values) for name, values in comparison.results.items()]
    rows += [("", "", ""), ("OPTIONS THAT DIFFER", "", "")]
    rows += [(name, *values) for name, values in comparison.options.items()] or [("none", "", "")]
    if comparison.classes:
        rows += [("", "", ""), ("RECALL OF CLASSES", "", "")]
        rows += [
            (name, f"{a.value:.4f} of {a.of}", f"{b.value:.4f} of {b.of}")
            for name, a, b in comparison.classes
        ]
    yield from make_table(rows).splitlines()
    yield ""
    yield comparison.verdict()
    if comparison.differing:
        yield ""
        shown = comparison.differing[:_MOST_IMAGES]
        table = [
            (image.file, image.label, *map(_describe_answer, image.answers, image.right))
            for image in shown
        ]
        yield from make_table([("IMAGE", "CLASS", first, second), *table]).splitlines()
        if more := len(comparison.differing) - len(shown):
            yield f"and {more:,} more images, in the page"


def _describe_answer(answer: str, right: bool) -> str:
    return f"{answer} (right)" if right else answer


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")
