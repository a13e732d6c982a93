import logging
import os
import subprocess
import sys

import pytest

from pipeline.report.logs import log_to_file


def emit():
    """Logs a record, and writes to the file descriptors 1 and 2 as C++ code does."""
    logging.getLogger("some.library").info("from python")
    os.write(1, b"from print\n")
    os.write(2, b"from c++\n")


def test_all_output_goes_to_the_file_and_none_to_the_screen(tmp_path, capfd):
    log = tmp_path / "logs" / "run.log"
    with log_to_file(log, verbose=False) as (out, err):
        emit()
        print("for the person", file=out)
        print("an error", file=err)
    assert capfd.readouterr() == ("for the person\n", "an error\n")
    text = log.read_text()
    assert "from python" in text
    assert "from print" in text
    assert "from c++" in text


def test_verbose_prints_the_log_to_the_screen(tmp_path, capfd):
    log = tmp_path / "run.log"
    with log_to_file(log, verbose=True):
        emit()
    out, err = capfd.readouterr()
    assert "from print" in out
    assert "from python" in err
    assert "from c++" in err
    assert "from python" in log.read_text()


@pytest.mark.parametrize("verbose", [False, True])
def test_streams_and_handlers_are_restored(tmp_path, capfd, verbose):
    handlers = list(logging.getLogger().handlers)
    with log_to_file(tmp_path / "run.log", verbose=verbose):
        pass
    print("out")
    print("err", file=sys.stderr)
    assert capfd.readouterr() == ("out\n", "err\n")
    assert logging.getLogger().handlers == handlers


def test_a_crash_of_the_process_loses_nothing_of_the_log(tmp_path, project):
    code = f"""
import os, signal
from pathlib import Path
from pipeline.report.logs import log_to_file
with log_to_file(Path({str(tmp_path)!r}) / "run.log", verbose=False):
    os.write(2, b"last words")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], cwd=project, check=False)
    assert (tmp_path / "run.log").read_text() == "last words"


@pytest.mark.parametrize("verbose", [False, True])
def test_passwords_and_signatures_are_not_logged(tmp_path, capfd, verbose):
    """Passwords and signatures in URLs are removed from messages and from tracebacks."""
    log = tmp_path / "run.log"
    with log_to_file(log, verbose=verbose):
        try:
            raise OSError("Max retries exceeded with url: /m.tar.gz?X-Goog-Signature=hunter1")
        except OSError as error:
            url = "https://hunter2:hunter3@host/m.tar.gz?sig=hunter4"
            logging.getLogger("any").exception("%s: %s \x1b[2J", url, error)
    text = "".join((log.read_text(), *capfd.readouterr()))
    assert "https://…@host/m.tar.gz?…: Max retries exceeded with url: /m.tar.gz?…" in text
    assert "Traceback" in text
    assert r"\x1b[2J" in text
    assert "hunter" not in text
    assert "\x1b" not in text
