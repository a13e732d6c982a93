"""Finds and checks the metadata store of the runs on this machine.

This module imports neither TensorFlow nor ML Metadata.
"""

import contextlib
import sqlite3
from pathlib import Path

from common.errors import InputError


def metadata_file(state_directory: Path) -> Path:
    """Returns the SQLite file of the store, in the directory `pipeline.root.state_directory`."""
    return state_directory / "metadata.sqlite"


def check_metadata(state_directory: Path) -> None:
    """Refuses a damaged metadata store, in which a run could not record its results.

    Raises:
      InputError: the file is damaged.
    """
    file = metadata_file(state_directory)
    if not file.exists():
        return
    try:
        # The store is not opened read-only, because SQLite first rolls back unfinished transactions
        # of killed processes.
        with contextlib.closing(sqlite3.connect(file)) as store:
            (found,) = store.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise  # after another error, such as a fault of the disk, the file may be intact
        found = str(error)
    if found != "ok":
        raise InputError(
            f"{file}: the metadata store is damaged ({' '.join(found.split())}); restore a "
            "backup, or remove the file: then all nodes run again, and blessed models are still "
            "known"
        )
