import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
import time

from common.lock import hold_lock, logger


def test_a_process_that_waits_for_a_lock_logs_the_reason(tmp_path, caplog):
    def find_records():  # ignores other loggers, because threads of earlier tests may log
        return [record for record in caplog.records if record.name == logger.name]

    target = tmp_path / "model"
    with (tmp_path / ".model.lock").open("w") as other, caplog.at_level(logging.WARNING):
        fcntl.flock(other, fcntl.LOCK_EX)  # also blocks other open files of this process
        has_got_it = threading.Event()

        def wait():
            with hold_lock(target):
                has_got_it.set()

        waiting = threading.Thread(target=wait)
        waiting.start()
        while not find_records():
            time.sleep(0.01)
        assert not has_got_it.is_set()
        fcntl.flock(other, fcntl.LOCK_UN)
        waiting.join()
    (record,) = find_records()
    assert record.getMessage() == f"waiting for another process, which is writing {target}"
    assert record.waits_for == target
    assert has_got_it.is_set()


def test_a_released_lock_leaves_no_file(tmp_path):
    for _ in range(2):
        with hold_lock(tmp_path / "model"):
            assert [path.name for path in tmp_path.iterdir()] == [".model.lock"]
        assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_no_lock_and_nothing_half_written(tmp_path, project):
    code = f"""
import os, signal
from pathlib import Path
from common.lock import hold_lock
target = Path({str(tmp_path)!r}, "model")
with hold_lock(target):
    (target.parent / ".model.half").mkdir()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code], cwd=project, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert {path.name for path in tmp_path.iterdir()} == {".model.lock", ".model.half"}
    with hold_lock(tmp_path / "model"):
        assert not (tmp_path / ".model.half").exists()
    assert list(tmp_path.iterdir()) == []


def test_one_process_at_a_time_holds_the_lock(tmp_path, project):
    """Four processes add 1 to the same number; without the lock, additions would be lost."""
    code = f"""
from pathlib import Path
from common.lock import hold_lock
number = Path({str(tmp_path)!r}, "number")
for _ in range(200):
    with hold_lock(number):
        number.write_text(str(int(number.read_text()) + 1))
"""
    (tmp_path / "number").write_text("0")
    command = [sys.executable, "-c", code]
    processes = [
        subprocess.Popen(command, cwd=project, env=os.environ, stderr=subprocess.DEVNULL)
        for _ in range(4)
    ]
    assert [process.wait() for process in processes] == [0] * 4
    assert (tmp_path / "number").read_text() == "800"
