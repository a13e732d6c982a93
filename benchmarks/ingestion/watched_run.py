"""Runs `pipeline_runner.py`, and measures the memory and CPU time of each node via /proc."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_PROJECT = Path(__file__).resolve().parents[2]
_EVENT = re.compile(r"(\w+): (started|done) ?")
_TICKS = os.sysconf("SC_CLK_TCK")


class NodeUse(NamedTuple):
    """The memory and the time that a node used.

    Attributes:
      peak: peak resident memory of the process while the node ran, in MiB.
      cpu: CPU time of the process and its children while the node ran, in seconds.
      wall: wall-clock time of the node, in seconds.
    """

    peak: float
    cpu: float
    wall: float


def watch_run(arguments: Sequence[str], log: Path, last: str = "Pusher") -> dict[str, NodeUse]:
    """Runs `pipeline_runner.py` until the node `last` is done; returns what each node used.

    Linux records the largest memory that a process has used since its start (VmHWM). When a node
    starts, this function resets the peak by writing to `/proc/<pid>/clear_refs` (see proc(5)), so
    that the peak of a node does not include the peaks of earlier nodes.

    Args:
      arguments: the flags of the command line.
      log: a file for the output of the run.
      last: the name of the node after which this function ends the run.

    Raises:
      RuntimeError: the run ended before the node `last` was done.
    """
    process = subprocess.Popen(
        [sys.executable, "pipeline_runner.py", *arguments],
        cwd=_PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    used, cpu, wall = {}, 0.0, 0.0
    with log.open("w") as output:
        for line in process.stdout:
            output.write(line)
            event = _EVENT.match(line)
            if event and event[2] == "started":
                Path(f"/proc/{process.pid}/clear_refs").write_text("5")
                cpu, wall = _cpu(process.pid), time.monotonic()
            elif event:
                used[event[1]] = NodeUse(
                    _peak(process.pid), _cpu(process.pid) - cpu, time.monotonic() - wall
                )
                if event[1] == last:
                    process.terminate()
    process.wait()
    if last not in used:
        raise RuntimeError(f"{last} was not reached: see {log}")
    return used


def _peak(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) / 1024


def _cpu(pid: int) -> float:
    """Returns the CPU seconds of a process, its threads and its ended children (see proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS
