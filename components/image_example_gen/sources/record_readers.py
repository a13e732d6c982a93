"""Reads one record of a file at a time, by offset or by index."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from components.image_example_gen.sources.bucket_reading import open_object


class SeekingReader:
    """Reads the record at a given offset of a file. The reader keeps the file open until it reads a
    record from a different file.
    """

    def __init__(self) -> None:
        self._path = ""
        self._file: IO[bytes] | None = None

    def read(self, path: str, offset: int, length: int) -> bytes:
        if self._file is None or path != self._path:
            self.close()
            self._file, self._path = open_binary(path), path
        self._file.seek(offset)
        return self._file.read(length)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class StreamingReader:
    """Reads the record with a given index from a file.

    Callers should read the records of a file in ascending order, because the reader must start
    again at the beginning of the file to return an earlier record.
    """

    def __init__(self, stream: Callable[[str], Any]) -> None:
        self._stream = stream
        self._path = ""
        self._next = 0
        self._records: Iterator[bytes] = iter(())

    def read(self, path: str, index: int, _: int) -> bytes:
        if path != self._path or index < self._next:
            self._records, self._path, self._next = self._stream(path).as_numpy_iterator(), path, 0
        record = next(itertools.islice(self._records, index - self._next, None))
        self._next = index + 1
        return record

    def close(self) -> None:
        self._records = iter(())


def open_binary(path: str) -> IO[bytes]:
    """Opens a file on this machine or in a bucket for reading and seeking."""
    return open_object(path) if "://" in path else Path(path).open("rb", buffering=0)
