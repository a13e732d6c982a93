import sqlite3
import subprocess
import sys

import pytest

from common.errors import InputError
from pipeline.metadata_store import check_metadata, metadata_file


@pytest.fixture
def store(tmp_path):
    """Returns the file of a metadata store with 1,000 rows."""
    file = metadata_file(tmp_path)
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE executions (id INTEGER PRIMARY KEY, name TEXT)")
        rows = ((f"execution {number}",) for number in range(1000))
        connection.executemany("INSERT INTO executions (name) VALUES (?)", rows)
    connection.close()
    return file


def test_without_a_store_a_new_one_is_made(tmp_path):
    check_metadata(tmp_path)
    assert not metadata_file(tmp_path).exists()


def test_an_intact_store(store, tmp_path):
    before = store.read_bytes()
    check_metadata(tmp_path)
    assert store.read_bytes() == before


def test_an_empty_file_is_a_new_store(tmp_path):
    """If the disk is full during the first run, the store can be an empty file. The next run must
    accept an empty file as a new store."""
    metadata_file(tmp_path).touch()
    check_metadata(tmp_path)


@pytest.mark.parametrize("damage", ["cut off", "overwritten", "no database"])
def test_a_damaged_store_is_named(store, tmp_path, damage):
    content = store.read_bytes()
    store.write_bytes(
        {
            "cut off": content[: len(content) // 2],
            "overwritten": content[:4096] + b"\0" * 4096 + content[8192:],
            "no database": b"not a database" * 100,
        }[damage]
    )
    with pytest.raises(InputError, match=f"{store}: the metadata store is damaged .*remove"):
        check_metadata(tmp_path)


def test_an_interrupted_transaction_is_no_damage(store, tmp_path):
    """A process that is killed during a transaction leaves a journal, from which SQLite restores
    the store."""
    code = (
        "import os, sqlite3, sys\n"
        "store = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        # with a cache of one page, SQLite writes to the file before the end of the transaction
        "store.execute('PRAGMA cache_size = 1')\n"
        "store.execute('BEGIN')\n"
        "store.execute('UPDATE executions SET name = hex(randomblob(2000))')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(store)], check=False).returncode == -9
    assert store.with_name("metadata.sqlite-journal").exists()
    check_metadata(tmp_path)
    with sqlite3.connect(store) as connection:
        (name,) = connection.execute("SELECT name FROM executions WHERE id = 7").fetchone()
    assert name == "execution 6"
