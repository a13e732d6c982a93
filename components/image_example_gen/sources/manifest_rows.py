"""Reads the rows of a manifest: a CSV, JSON Lines or Parquet file that lists labelled images.

The module also reads the import files of Vertex AI, which this page describes:
cloud.google.com/vertex-ai/docs/image-data/classification/prepare-data.

This module does not import TensorFlow, which takes seconds to import.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from common.errors import InputError

_PATH, _LABEL, _SPLIT, _GROUP = "path", "label", "split", "group"
# Maps the accepted column names, in lower case, to the columns of a `Row`.
_COLUMNS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("path", "file", "filename", "file_name", "filepath", "file_path", "uri"),
            *("image", "image_path", "image_file", "img", "gcs_file_path", "imagegcsuri"),
        ),
        _PATH,
    ),
    **dict.fromkeys(("label", "class", "class_name", "category"), _LABEL),
    **dict.fromkeys(("split", "set", "subset", "usage", "ml_use"), _SPLIT),
    **dict.fromkeys(("group", "group_id"), _GROUP),
}
_VERTEX_SPLIT = "aiplatform.googleapis.com/ml_use"
_UNASSIGNED = ("", "unassigned")
_VERTEX_SPLITS = (*_UNASSIGNED, "train", "training", "validation", "test")


class Row(NamedTuple):
    """A row of a manifest.

    Attributes:
      line: the number of the line, from 1.
      path: the path or URI of an image, as written in the manifest.
      label: the class name; empty if the row has none.
      split: the name of the split, as written in the manifest; empty if the row has none.
      group: the name of a group of images that must be in the same split; empty if the row has
        none.
    """

    line: int
    path: str
    label: str
    split: str = ""
    group: str = ""


def read_rows(name: str, content: bytes) -> list[Row]:
    """Reads the rows of a manifest.

    Args:
      name: path or URI of the manifest; the suffix determines the format.
      content: the bytes of the file.

    Raises:
      InputError: the content does not have the format that the suffix of `name` indicates, the
        column of paths or of labels is missing, a row has no path, or two rows have the same path.
    """
    read = _READERS[PurePosixPath(name).suffix.lower()]
    try:
        rows = list(read(name, content))
    except (UnicodeDecodeError, csv.Error, json.JSONDecodeError) as error:
        raise InputError(f"{name}: cannot be read ({error}); expected {_EXPECTED}") from error
    lines: dict[str, int] = {}
    for row in rows:
        if not row.path:
            raise InputError(f"{name}: line {row.line} has no path; expected {_EXPECTED}")
        if lines.setdefault(row.path, row.line) != row.line:
            raise InputError(
                f"{name}: line {row.line}: {row.path} is in line {lines[row.path]} as well; "
                "expected each image once, with one label"
            )
    return rows


def is_unassigned(split: str) -> bool:
    """Whether the pipeline chooses the split of a row, because `split` is empty or "unassigned"."""
    return split.lower() in _UNASSIGNED


_EXPECTED = "the columns path, label and, if you like, split and group"


def _read_csv(name: str, content: bytes) -> Iterator[Row]:
    text = content.decode("utf-8-sig")
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns: Sequence[str] | None = None
    is_first = True
    for raw in reader:
        cells = [cell.strip() for cell in raw]
        if not any(cells):
            continue
        if is_first and (columns := _header(cells)):
            is_first = False
            continue
        is_first = False
        yield _row(
            name, reader.line_num, dict(zip(columns or _choose_columns(cells), cells, strict=False))
        )
        if not columns and len(cells) > 3:
            raise InputError(
                f"{name}: line {reader.line_num} has {len(cells)} columns; expected path, label "
                "and, if you like, split, or a header that names the columns"
            )


def _header(cells: Sequence[str]) -> list[str] | None:
    """Returns the column names in the first line; None if the first line is not a header."""
    columns = [_COLUMNS.get(cell.lower(), cell) for cell in cells]
    return columns if {_PATH, _LABEL} <= set(columns) else None


def _choose_columns(cells: Sequence[str]) -> tuple[str, str, str]:
    """Returns the columns of a row, in their order, for a file without a header.

    In Vertex AI's import files, the split is the first column.
    """
    is_vertex = len(cells) > 2 and cells[0].lower() in _VERTEX_SPLITS
    return (_SPLIT, _PATH, _LABEL) if is_vertex else (_PATH, _LABEL, _SPLIT)


def _read_jsonl(name: str, content: bytes) -> Iterator[Row]:
    # `str.splitlines` would also split at U+2028, which a JSON string may contain.
    for line, text in enumerate(content.decode("utf-8-sig").split("\n"), 1):
        if not text.strip():
            continue
        value = json.loads(text)
        if not isinstance(value, dict):
            raise InputError(f"{name}: line {line} is not a JSON object; expected {_EXPECTED}")
        found = {_COLUMNS.get(key.lower(), key): item for key, item in value.items()}
        annotation = value.get("classificationAnnotation")
        if isinstance(annotation, dict):  # the line has Vertex AI's format
            found[_LABEL] = annotation.get("displayName")
            found[_SPLIT] = (value.get("dataItemResourceLabels") or {}).get(_VERTEX_SPLIT)
        yield _row(name, line, found)


def _read_parquet(name: str, content: bytes) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(content))
        columns = [c for c in file.schema_arrow.names if c.lower() in _COLUMNS]
        table = file.read(columns=columns)
    except pyarrow.ArrowException as error:
        raise InputError(
            f"{name}: is not a Parquet file ({error}); expected {_EXPECTED}"
        ) from error
    names = [_COLUMNS[column.lower()] for column in columns]
    if not {_PATH, _LABEL} <= set(names):
        raise InputError(
            f"{name}: found the columns {', '.join(file.schema_arrow.names)}; expected {_EXPECTED}"
        )
    for line, values in enumerate(table.to_pylist(), 1):
        yield _row(name, line, dict(zip(names, values.values(), strict=True)))


def _row(name: str, line: int, found: Mapping[str, Any]) -> Row:
    if _PATH not in found:
        raise InputError(
            f"{name}: line {line} has the columns {', '.join(map(str, found))}; expected "
            f"{_EXPECTED}"
        )
    values = {}
    for column in (_PATH, _LABEL, _SPLIT, _GROUP):
        value = found.get(column)
        if isinstance(value, float):  # pandas writes integers as floats if a value is missing
            value = None if math.isnan(value) else int(value) if value.is_integer() else value
        if isinstance(value, list | dict | float | bytes):
            raise InputError(
                f"{name}: line {line}: {column} is {value!r}; expected one string per image"
            )
        values[column] = "" if value is None else str(value).strip()
    return Row(line, **values)


_READERS: Mapping[str, Callable[[str, bytes], Iterator[Row]]] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
}
SUFFIXES = tuple(_READERS)
