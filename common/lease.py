"""A lease: one process at a time has what it is for, on a disk or in a bucket.

On a disk it is a lock of the operating system, which ends with the process. A bucket has no locks:
there the lease is a small file that its owner renews, and one that is not renewed any more is taken
over.
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
from common.notice import notice


class Lease(Protocol):
    """A lease that this process has taken."""

    def check(self) -> None:
        """Makes sure that this process still has it.

        Raises:
          InputError: another process took it over, since this one did not renew it in time.
        """

    def release(self) -> None:
        """Gives it back, and removes its file."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timing:
    """Times of a lease in a bucket, in seconds.

    Attributes:
      renewal: between two renewals.
      expiry: after which a lease that was not renewed is taken over. Only the clock of the process
        that waits is used, so clocks of different machines need not agree.
      settle: between writing one's own name and reading it again. It must be longer than a write
        takes, since of two processes that write at the same time the later one has the lease.
    """

    renewal: float = 15.0
    expiry: float = 90.0
    settle: float = 3.0


DEFAULT_TIMING = Timing()


def take_lease(path: str, *, timing: Timing = DEFAULT_TIMING) -> Lease | None:
    """Takes the lease with the file at `path`; None where a living process has it.

    Whether the owner lives is seen at once on a disk, and within `timing.expiry` in a bucket.

    Args:
      path: the path of a file in a directory that exists, or a URL.
      timing: the times of a lease in a bucket.
    """
    return _BucketLease.take(path, timing) if "://" in path else _DiskLease.take(Path(path))


@contextlib.contextmanager
def hold_lease(path: str, what: str, *, timing: Timing = DEFAULT_TIMING) -> Iterator[Lease]:
    """Waits until no other process has the lease at `path`, and has it until the end.

    Args:
      path: as in `take_lease`.
      what: it is for; a process that waits says so.
      timing: of a lease in a bucket.
    """
    lease = take_lease(path, timing=timing)
    if lease is None:
        notice(f"waiting for {what}, which another run has at the moment ({path})")
    while lease is None:
        time.sleep(min(1.0, timing.renewal))
        lease = take_lease(path, timing=timing)
    try:
        with termination.announced(lease.release):
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
        """The operating system takes it from nobody."""

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
        if _owner(read_bytes(path)) != lease._owner:
            return None
        lease._thread.start()
        return lease

    def check(self) -> None:
        if self._taken_by:
            raise InputError(
                f"{self._path}: {self._taken_by} took this over, since it was not renewed for "
                f"{self._timing.expiry:g} s; this run ends, and leaves everything to that one"
            )

    def release(self) -> None:
        import tensorflow as tf

        self._ended.set()
        self._thread.join()
        if _owner(read_bytes(self._path)) == self._owner:
            with contextlib.suppress(tf.errors.NotFoundError):
                tf.io.gfile.remove(self._path)

    def _keep_renewing(self) -> None:
        while not self._ended.wait(self._timing.renewal):
            try:
                owner = _owner(read_bytes(self._path))
                if owner not in ("", self._owner):
                    self._taken_by = owner
                    return
                self._write()
            except Exception as error:  # of a network that is away for a while: the next try
                notice(f"{self._path}: could not be renewed ({error}); it is tried again")

    def _write(self) -> None:
        self._renewals += 1
        renewed = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        content = {"owner": self._owner, "renewed": renewed, "renewals": self._renewals}
        write_whole(self._path, json.dumps(content))


def _is_renewed(path: str, timing: Timing) -> bool:
    """Whether the owner of the lease, if there is one, is seen to renew it."""
    content, end = read_bytes(path), time.monotonic() + timing.expiry
    while content and time.monotonic() < end:
        time.sleep(min(timing.renewal / 3, timing.expiry / 10))
        now = read_bytes(path)
        if now and now != content:
            return True
        content = now
    return False


def _owner(content: bytes | None) -> str:
    """Returns the owner of the lease; empty if there is none, or if the file is damaged."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(content or b"")["owner"])
    return ""
