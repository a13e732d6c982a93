"""Finds and checks the metadata store of the runs on this machine.

This module imports neither ML Metadata nor TensorFlow, because both take seconds to import.
"""

import contextlib
import sqlite3
from pathlib import Path

from common.errors import InputError


def metadata_file(state_directory: Path) -> Path:
    """Returns the path of the metadata store's SQLite file in `state_directory`."""
    return state_directory / "metadata.sqlite"


def check_metadata(state_directory: Path) -> None:
    """Checks that the SQLite file of the metadata store is undamaged or does not exist yet.

    Raises:
      InputError: the SQLite file is damaged.
    """
    file = metadata_file(state_directory)
    if not file.exists():
        return
    try:
        # This check opens the file for writing, because SQLite may first have to roll back the
        # unfinished transaction of a killed process.
        with contextlib.closing(sqlite3.connect(file)) as store:
            (found,) = store.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            # An error such as a disk error does not mean that the file is damaged, so this function
            # raises the error unchanged.
            raise
        found = str(error)
    if found != "ok":
        raise InputError(
            f"{file}: the metadata store is damaged ({' '.join(found.split())}); restore a "
            "backup, or remove the file: then all nodes run again, and blessed models are still "
            "known"
        )
