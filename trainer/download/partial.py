"""A file that is not all there yet."""

import dataclasses
import json
import os
from pathlib import Path

from trainer.download.checksum import Checksums


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stated:
    """What a server said of a file when it began to send it.

    Attributes:
      url: where it was asked for.
      validator: a strong ETag or a date, for `If-Range`; None if there was neither.
      total: size in bytes, if it was said.
      checksums: of the whole file.
    """

    url: str
    validator: str | None = None
    total: int | None = None
    checksums: Checksums = dataclasses.field(default_factory=dict)


class Partial:
    """The bytes that have come are in `<target>.part`, what was said of them beside it.

    Both outlive the process, so that a later one can go on. Nothing takes them for the file.
    """

    def __init__(self, target: Path, url: str) -> None:
        """Takes up what is there, unless it is of another URL or cannot be gone on with."""
        self._target = target
        self.path = target.with_name(target.name + ".part")
        self._notes = target.with_name(target.name + ".part.json")
        self.stated = self._noted() or Stated(url=url)
        if self.stated.url != url or not self.stated.validator or self._is_too_long():
            self.stated = Stated(url=url)
            self.discard()

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def is_complete(self) -> bool:
        """Whether as many bytes are there as were said to be."""
        return self.path.exists() and self.size == self.stated.total

    def begin(self, stated: Stated) -> None:
        """Starts over, with a file of which the server says this."""
        self.discard()  # first, or a kill here would leave old bytes with new notes
        self.stated = stated
        notes = self._notes.with_name(self._notes.name + ".new")
        notes.write_text(json.dumps(dataclasses.asdict(stated)))
        os.replace(notes, self._notes)

    def discard(self) -> None:
        """Throws away what is there."""
        self.path.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)

    def land(self) -> None:
        """Makes it the file, at once and for good."""
        with self.path.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(self.path, self._target)
        self._notes.unlink(missing_ok=True)

    def _noted(self) -> Stated | None:
        try:
            return Stated(**json.loads(self._notes.read_text()))
        except (OSError, ValueError, TypeError):  # none, or not ours
            return None

    def _is_too_long(self) -> bool:
        return self.stated.total is not None and self.size > self.stated.total
