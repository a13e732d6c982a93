"""A lease gives one process at a time the right to use a directory, on a disk or in a bucket.

On a disk, the lease is a file lock, which the operating system releases when the process ends.
Buckets have no locks, so the lease of a directory in a bucket is a small file, which the owner of
the lease rewrites at regular intervals. If the owner stops rewriting the file, another process
takes over the lease.
"""

import contextlib
import dataclasses
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, TextIO

from common import termination
from common.errors import InputError
from common.files import read_bytes, write_whole
from common.lock import try_lock
from common.notice import print_notice


class Lease(Protocol):
    """A lease that this process holds."""

    def check(self) -> None:
        """Checks that this process still has the lease.

        Raises:
          InputError: this process did not renew the lease in time, and another process took over
            the lease.
        """

    def release(self) -> None:
        """Gives up the lease and removes its file, so that another process can take the lease."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timing:
    """The time intervals, in seconds, that govern a lease in a bucket.

    Attributes:
      renewal: time between two renewals.
      expiry: time without a renewal after which a waiting process takes the lease over. The waiting
        process measures the time without a renewal with its own clock, so the clocks of different
        machines need not agree.
      settle: time between writing the file of the lease and reading the file again. If two
        processes write at about the same time, the file then names the process that wrote last,
        which gets the lease. `settle` must be longer than a write takes, so that both processes
        have written the file before either of them reads it again.
    """

    renewal: float = 15.0
    expiry: float = 90.0
    settle: float = 3.0


DEFAULT_TIMING = Timing()


def take_lease(path: str, *, timing: Timing = DEFAULT_TIMING) -> Lease | None:
    """Takes the lease whose file is at `path`; returns None if another process holds the lease.

    The function takes or refuses a lease on a disk immediately, without waiting. If the file of a
    lease in a bucket already exists, the function waits for up to `timing.expiry` seconds for a
    renewal by the owner, and takes the lease if the owner does not renew it.

    Args:
      path: the path of a file in a directory that exists, or a URL.
      timing: the time intervals of a lease in a bucket.
    """
    return _BucketLease.take(path, timing) if "://" in path else _DiskLease.take(Path(path))


@contextlib.contextmanager
def hold_lease(path: str, resource: str, *, timing: Timing = DEFAULT_TIMING) -> Iterator[Lease]:
    """A context that holds the lease at `path`, after waiting for other processes to release it.

    Args:
      path: the path or URL of the file of the lease.
      resource: a name for the files that the lease protects; a process that waits for the lease
        prints the name.
      timing: the time intervals of a lease in a bucket.
    """
    lease = take_lease(path, timing=timing)
    if lease is None:
        print_notice(f"waiting for {resource}, which another run is using ({path})")
    while lease is None:
        time.sleep(min(1.0, timing.renewal))
        lease = take_lease(path, timing=timing)
    try:
        with termination.call_before_end(lease.release):
            yield lease
    finally:
        lease.release()


class _DiskLease:
    def __init__(self, path: Path, lock: TextIO) -> None:
        self._path = path
        self._lock = lock

    @classmethod
    def take(cls, path: Path) -> "_DiskLease | None":
        lock = try_lock(path)
        return cls(path, lock) if lock else None

    def check(self) -> None:
        """Does nothing, because no other process can take over a file lock."""

    def release(self) -> None:
        self._path.unlink(missing_ok=True)
        self._lock.close()


class _BucketLease:
    def __init__(self, path: str, timing: Timing) -> None:
        self._path = path
        self._timing = timing
        self._owner = f"{socket.gethostname()} process {os.getpid()} {uuid.uuid4().hex[:8]}"
        self._renewals = 0
        self._taken_by = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_renewing, daemon=True)

    @classmethod
    def take(cls, path: str, timing: Timing) -> "_BucketLease | None":
        if _is_renewed(path, timing):
            return None
        lease = cls(path, timing)
        lease._write()
        time.sleep(timing.settle)
        if _read_owner(read_bytes(path)) != lease._owner:
            return None
        lease._thread.start()
        return lease

    def check(self) -> None:
        if self._taken_by:
            raise InputError(
                f"{self._path}: {self._taken_by} took over this lease, because this run did not "
                f"renew it for {self._timing.expiry:g} s; this run ends, and the other run "
                "continues"
            )

    def release(self) -> None:
        import tensorflow as tf

        self._ended.set()
        self._thread.join()
        if _read_owner(read_bytes(self._path)) == self._owner:
            with contextlib.suppress(tf.errors.NotFoundError):
                tf.io.gfile.remove(self._path)

    def _keep_renewing(self) -> None:
        while not self._ended.wait(self._timing.renewal):
            try:
                owner = _read_owner(read_bytes(self._path))
                if owner not in ("", self._owner):
                    self._taken_by = owner
                    return
                self._write()
            # The network may have failed, so try again at the next renewal.
            except Exception as error:
                print_notice(
                    f"{self._path}: this lease could not be renewed ({error}); trying again"
                )

    def _write(self) -> None:
        self._renewals += 1
        renewed = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        content = {"owner": self._owner, "renewed": renewed, "renewals": self._renewals}
        write_whole(self._path, json.dumps(content))


def _is_renewed(path: str, timing: Timing) -> bool:
    """Watches a lease for up to `timing.expiry` seconds; returns whether its owner renews it."""
    content, end = read_bytes(path), time.monotonic() + timing.expiry
    while content and time.monotonic() < end:
        time.sleep(min(timing.renewal / 3, timing.expiry / 10))
        now = read_bytes(path)
        if now and now != content:
            return True
        content = now
    return False


def _read_owner(content: bytes | None) -> str:
    """Returns the owner that is named in a lease file; "" if the content names no owner."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(content or b"")["owner"])
    return ""
