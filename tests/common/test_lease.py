"""Tests of leases between real processes.

The tests write the files of both kinds of lease to a disk: `_DiskLease` locks a file, and
`_BucketLease` works without locks, because buckets have none.
"""

import subprocess
import sys
import threading

import pytest

from common.errors import InputError
from common.lease import Timing, _BucketLease, hold_lease, take_lease

QUICK = Timing(renewal=0.1, expiry=0.8, settle=0.05)
# A lease with this timing expires only after 60 s without a renewal, so that even a slow machine
# renews the lease in time.
PATIENT = Timing(renewal=0.1, expiry=60, settle=0.5)
KINDS = ("disk", "bucket")
HOLDER = """
import sys, time
from pathlib import Path
from common.lease import Timing, _BucketLease, _DiskLease
kind, path = sys.argv[1:]
timing = Timing(renewal=0.1, expiry=0.8, settle=0.05)
lease = _DiskLease.take(Path(path)) if kind == "disk" else _BucketLease.take(path, timing)
print(bool(lease), flush=True)
time.sleep(60)
"""


def take(kind, path, timing=QUICK):
    return take_lease(str(path)) if kind == "disk" else _BucketLease.take(str(path), timing)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lease"


@pytest.mark.parametrize("kind", KINDS)
def test_a_released_lease_can_be_taken_again(kind, path):
    for _ in range(2):
        lease = take(kind, path)
        assert lease is not None
        lease.check()
        assert path.exists()
        lease.release()
        assert not path.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_lease_of_a_living_process_is_kept_and_of_a_dead_one_taken_over(kind, path, project):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, kind, str(path)], cwd=project, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout.readline() == b"True\n"
        assert take(kind, path, PATIENT) is None
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    lease = take(kind, path)
    assert lease is not None
    lease.release()


def test_one_of_many_concurrent_threads_gets_the_lease(path):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(take("bucket", path, PATIENT)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (lease,) = [lease for lease in found if lease]
    lease.check()
    lease.release()


def test_a_lease_that_was_taken_over_is_detected_and_not_released(path):
    lease = take("bucket", path)
    path.write_text('{"owner": "machine b process 7"}')
    lease._thread.join(10)
    with pytest.raises(InputError, match="machine b process 7 took over this lease"):
        lease.check()
    lease.release()
    assert "machine b" in path.read_text()


@pytest.mark.parametrize("content", ["", "[]"])
def test_a_damaged_lease_is_taken_over(path, content):
    path.write_text(content)
    lease = take("bucket", path)
    lease.check()
    lease.release()


def test_a_process_that_waits_for_a_lease_logs_the_reason(path, caplog):
    lease = take("disk", path)
    timer = threading.Timer(0.3, lease.release)
    timer.start()
    with hold_lease(str(path), "the records of blessed models"):
        pass
    assert "waiting for the records of blessed models" in caplog.text


def test_a_lease_by_the_url_of_a_bucket():
    """The test uses TensorFlow's file system `ram://` instead of a bucket.

    The test ends long before the first renewal of the lease, which is due after 60 s. A renewal
    writes the file of the lease again: a bucket would replace the object, but `ram://` would append
    to the file.
    """
    once = Timing(renewal=60, expiry=0.2, settle=0.05)
    for _ in range(2):
        with hold_lease("ram://bucket/lease", "it", timing=once) as lease:
            lease.check()
