"""Writes tables as CSV, JSON Lines or Parquet, without holding all rows in memory."""

import csv
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

from common.errors import InputError

Row = dict[str, Any]
Write = Callable[[list[Row]], None]


@contextmanager
def _csv(path: str) -> Iterator[Write]:
    import tensorflow as tf

    with tf.io.gfile.GFile(path, "w") as file:
        writers: list[csv.DictWriter] = []

        def write(rows: list[Row]) -> None:
            if not writers:
                writers.append(csv.DictWriter(file, list(rows[0]), lineterminator="\n"))
                writers[0].writeheader()
            writers[0].writerows(rows)

        yield write


@contextmanager
def _json_lines(path: str) -> Iterator[Write]:
    import tensorflow as tf

    with tf.io.gfile.GFile(path, "w") as file:
        yield lambda rows: file.write(
            "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
        )


@contextmanager
def _parquet(path: str) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet
    import tensorflow as tf

    writers: list[pa.parquet.ParquetWriter] = []
    # `path` may be in a bucket, and PyArrow cannot write to the file objects of `tf.io.gfile`. The
    # table is therefore written to a local file, and then copied to `path`.
    with tempfile.TemporaryDirectory() as folder:
        local = f"{folder}/table.parquet"

        def write(rows: list[Row]) -> None:
            table = pa.Table.from_pylist(rows)
            if not writers:
                writers.append(pa.parquet.ParquetWriter(local, table.schema))
            writers[0].write_table(table)

        yield write
        for writer in writers:
            writer.close()
        tf.io.gfile.copy(local, path, overwrite=True)


# The functions that open tables, by the suffix of the file name.
FORMATS = {".csv": _csv, ".jsonl": _json_lines, ".parquet": _parquet}


def check_output(path: str) -> None:
    """Raises InputError if the name of an output file does not end in one of `FORMATS`."""
    if PurePosixPath(path).suffix not in FORMATS:
        raise InputError(f"--output {path}: expected a name that ends in {', '.join(FORMATS)}")


def open_table(path: str) -> Any:
    """A context that yields a function for appending rows to a file.

    All rows must have the same columns.
    """
    return FORMATS[PurePosixPath(path).suffix](path)
