"""Kills or interrupts runs at random moments."""

import dataclasses
import os
import random
import signal
import subprocess
import time

from tests.reliability.outcome import Campaign, node_of

_PATIENCE = 5.0  # seconds, the longest time from Ctrl-C to the end of a run
_IMPORT = 12.0  # seconds, the approximate duration of the imports


@dataclasses.dataclass(frozen=True)
class _DisturbedRun:
    """A run that received a signal.

    Attributes:
      moment: the time of the signal, in seconds after the start of the run.
      was_running: whether the run was still running at the time of the signal.
      status: the exit status; None if the run did not end within a minute.
      seconds: the time from the signal to the end of the run.
      pushed: whether the serving directory has changed after the signal.
    """

    moment: float
    was_running: bool
    status: int | None
    seconds: float
    pushed: bool


def disturb_runs(campaign: Campaign, part: str, count: int, moments: random.Random) -> None:
    """Disturbs runs until the results contain `count` runs with the disturbance `part`.

    Args:
      campaign: the settings of the campaign.
      part: `kills`, `interrupts`, `import-kills` or `import-interrupts`.
      count: the total number of results, including those of earlier commands.
      moments: the random generator that draws the times of the signals.
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
        while not (disturbed := begin(campaign, share, number)).was_running:
            # the run ended before the signal, so the run is repeated with an earlier signal
            campaign.workload.clear()
            share *= 0.9
        _judge(campaign, part, disturbed)


def _disturb_fork(campaign: Campaign, share: float, number: int) -> _DisturbedRun:
    moment = share * campaign.reference.seconds
    process = campaign.server.begin(campaign.workload)
    status = campaign.server.wait(moment)
    was_running = status is None
    before, begun = campaign.workload.versions, time.monotonic()
    if was_running:
        os.kill(process, number)
        status = campaign.server.wait(60)
    seconds = time.monotonic() - begun
    return _DisturbedRun(moment, was_running, status, seconds, campaign.workload.versions != before)


def _disturb_import(campaign: Campaign, share: float, number: int) -> _DisturbedRun:
    moment = share * _IMPORT
    run = campaign.workload.begin_process()
    was_running = False
    try:
        run.wait(moment)
    except subprocess.TimeoutExpired:
        was_running = True
        run.send_signal(number)
    begun = time.monotonic()
    return _DisturbedRun(moment, was_running, run.wait(60), time.monotonic() - begun, pushed=False)


def _judge(campaign: Campaign, part: str, disturbed: _DisturbedRun) -> None:
    """Checks how the disturbed run ended, runs the pipeline again without a disturbance, and adds
    the result to the campaign's results."""
    workload = campaign.workload
    node = node_of(workload)
    wrong = []
    # If signal N kills a process, the status is -N in Python and 128 + N in a shell. While the
    # Python interpreter shuts down after a run, SIGINT kills the process.
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
