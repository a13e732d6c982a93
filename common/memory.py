"""Measures the memory of processes, and the memory that is available on this machine.

This module works on Linux only, because it reads /proc.
"""

import contextlib
import os
import re
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")  # bytes


def resident_memory(process: int) -> int:
    """Returns the memory that a process uses now, in bytes; 0 if the process has ended."""
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
    return 0


def peak_memory(process: int) -> int:
    """Returns the peak memory of a process so far, in bytes; 0 if the process has ended."""
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{process}/status").read_text()
        if found := re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE):
            return int(found[1]) * 1024
    return 0


def available_memory() -> int:
    """Returns the memory in bytes that new processes of this machine or container can use."""
    found = re.search(
        r"^MemAvailable:\s+(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE
    )
    amounts = [int(found[1]) * 1024] if found else []
    # Linux control groups state the container's memory limit and memory usage in two files. The
    # paths of the two files differ between versions 2 and 1 of control groups.
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        ),
    ):
        # The limit can be the text "max", which means that there is no limit.
        with contextlib.suppress(OSError, ValueError):
            amounts.append(int(Path(limit).read_text()) - int(Path(used).read_text()))
    return min(amounts)
