"""Runs that are killed or interrupted at random moments."""

import dataclasses
import os
import random
import signal
import subprocess
import time

from tests.reliability.outcome import Campaign, node_of
from tests.reliability.workload import Workload

_PATIENCE = 5.0  # seconds; a run must have ended so long after Ctrl-C
_IMPORT = 12.0  # seconds: about what the import takes


@dataclasses.dataclass(frozen=True)
class _Disturbed:
    """A run that was sent a signal.

    Attributes:
      moment: seconds after its beginning.
      is_met: whether it still ran then.
      status: its exit status; None if it did not end within a minute.
      seconds: until it ended.
      pushed: whether the serving directory has changed after the signal.
    """

    moment: float
    is_met: bool
    status: int | None
    seconds: float
    pushed: bool


def disturb_runs(campaign: Campaign, part: str, count: int, moments: random.Random) -> None:
    """Disturbs runs until there are `count` results of this part.

    Args:
      campaign: what is run, and where results go.
      part: `kills` or `interrupts`, or `import-` and that: in a process that imports everything.
      count: how many there are to be, with those of earlier calls.
      moments: draws the moments.
    """
    begin = _disturb_import if part.startswith("import-") else _disturb_fork
    number = signal.SIGKILL if part.endswith("kills") else signal.SIGINT
    for index in range(count):
        share = moments.random()
        if index < len(campaign.results.read(part=part, tune=campaign.workload.tune)):
            continue
        if campaign.is_over:
            return
        campaign.workload.clear()
        while not (disturbed := begin(campaign, share, number)).is_met:
            campaign.workload.clear()  # it was faster than the reference, and has ended
            share *= 0.9
        _judge(campaign, part, disturbed)


def _disturb_fork(campaign: Campaign, share: float, number: int) -> _Disturbed:
    moment = share * campaign.reference.seconds
    process = campaign.server.begin(campaign.workload)
    status = campaign.server.wait(moment)
    is_met = status is None
    before, begun = _versions(campaign.workload), time.monotonic()
    if is_met:
        os.kill(process, number)
        status = campaign.server.wait(60)
    seconds = time.monotonic() - begun
    return _Disturbed(moment, is_met, status, seconds, _versions(campaign.workload) != before)


def _disturb_import(campaign: Campaign, share: float, number: int) -> _Disturbed:
    moment = share * _IMPORT
    run = campaign.workload.begin_process()
    is_met = False
    try:
        run.wait(moment)
    except subprocess.TimeoutExpired:
        is_met = True
        run.send_signal(number)
    begun = time.monotonic()
    return _Disturbed(moment, is_met, run.wait(60), time.monotonic() - begun, pushed=False)


def _judge(campaign: Campaign, part: str, disturbed: _Disturbed) -> None:
    """Looks at the run and at the next one, and adds a result."""
    workload = campaign.workload
    node = node_of(workload)
    wrong = []
    # As a shell shows it: a signal that comes while the interpreter itself ends, all being done,
    # kills the process.
    shown = disturbed.status
    if shown is not None and shown < 0:
        shown = 128 - shown
    if shown != (137 if part.endswith("kills") else 130):
        said = workload.out.read_text(errors="replace")[-300:]
        wrong.append(f"status {disturbed.status}: {said}")
    if disturbed.seconds > _PATIENCE:
        wrong.append(f"ended after {disturbed.seconds:.1f} s")
    if disturbed.pushed and part.endswith("interrupts"):
        wrong.append("something was pushed after the signal")
    wrong += [f"the next run: {difference}" for difference in campaign.run()]
    campaign.results.add(
        part=part,
        tune=workload.tune,
        moment=round(disturbed.moment, 2),
        node=node,
        status=disturbed.status,
        seconds=round(disturbed.seconds, 2),
        survived=not wrong,
        wrong=wrong,
    )


def _versions(workload: Workload) -> set[str]:
    return set(os.listdir(workload.serving)) if workload.serving.exists() else set()
