"""Writes the page and the model card of a report.

This module imports TensorFlow, which takes seconds to import, only to write to a bucket.
"""

import posixpath
from pathlib import Path

from common.files import write_whole
from components.report.answers_file import FILE as ANSWERS
from components.report.answers_file import format_answers
from components.report.artifact_files import CARD
from components.report.contents import Contents
from components.report.model_card import make_card
from components.report.page import make_page
from components.report.run_record import FILE as RECORD
from components.report.run_record import format_record, make_record

# The folder for model cards in the serving directory. TensorFlow Serving ignores the folder
# `cards`, because this name is not a number.
CARDS = "cards"


def write_report(contents: Contents, page: str) -> None:
    """Writes the report's page to the path or URI `page`, and the model card, the run record and
    the file of predictions to the same directory.

    If the model was pushed to a directory, the model card is also written to `cards/<version>/` in
    the serving directory. If the run evaluated no model, only the page is written.
    """
    _write(page, make_page(contents))
    if contents.answers is None:
        return
    record = make_record(contents)
    if record is not None:
        _write(f"{posixpath.dirname(page)}/{ANSWERS}", format_answers(contents.answers))
        _write(f"{posixpath.dirname(page)}/{RECORD}", format_record(record))
    card = make_card(contents, contents.answers)
    _write(f"{posixpath.dirname(page)}/{CARD}", card)
    verdict = contents.verdict
    if verdict is not None and verdict.version and verdict.pushed_to.endswith(verdict.version):
        serving_dir = posixpath.dirname(verdict.pushed_to)
        _write(f"{serving_dir}/{CARDS}/{verdict.version}/{CARD}", card)


def _write(path: str, text: str) -> None:
    if "://" not in path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)
