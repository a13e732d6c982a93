"""Disturbs consecutive runs on one pipeline root: one run for each file that a run creates."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.reliability.outcome import Campaign, node_of
from tests.reliability.workload import Workload


def disturb_files(campaign: Campaign, part: str, fault: str) -> None:
    """Disturbs one run for each file, and then runs the pipeline once without a disturbance.

    Args:
      campaign: the settings of the campaign; the function adds results to `campaign.results`.
      part: the name of the disturbance in the results.
      fault: `KILL` or `ENOSPC`.
    """
    chain = _Chain(campaign, fault)
    values = {"part": part, "tune": campaign.workload.tune}
    done = {row["file"] for row in campaign.results.read(**values)}
    chain.begin(goes_on=bool(done))
    for file in _created(campaign):
        if file in done:
            continue
        if campaign.is_over:
            return
        for disturbed, node, status, wrong in chain.cause_fault(file):
            campaign.results.add(
                **values,
                file=disturbed,
                node=node,
                status=status,
                said=chain.said,
                survived=not wrong,
                wrong=wrong,
            )
    if LAST not in done:
        wrong = chain.end()
        campaign.results.add(**values, file=LAST, survived=not wrong, wrong=wrong)


LAST = "the run after the last fault"


def _created(campaign: Campaign) -> list[str]:
    """Returns the files that an undisturbed run creates, in order, as values of $FAULT_PATH."""
    log = campaign.workload.out.with_name("created.log")
    if not log.exists():
        campaign.workload.clear()
        campaign.server.begin(campaign.workload, **_logged(campaign.workload, log))
        assert campaign.server.wait() == 0
    files = _read_created(log)
    others = log.parents[1] / "full" / log.name
    if campaign.workload.tune == "head" and others.exists():
        known = {file.partition("/full/")[2] for file in _read_created(others)}
        return [file for file in files if file.partition("/head/")[2] not in known]
    return files


def _read_created(log: Path) -> list[str]:
    lines = log.read_text().splitlines()
    created = [line.split(" ", 1)[1] for line in lines if line.startswith("create ")]
    return [file for file in dict.fromkeys(created) if "metadata.sqlite" not in file]


def _logged(workload: Workload, log: Path) -> dict[str, str]:
    return {"FAULT_UNDER": ":".join(map(str, workload.written)), "FAULT_LOG": str(log)}


class _Chain:
    """Consecutive runs on one pipeline root; each run continues where the previous run ended."""

    def __init__(self, campaign: Campaign, fault: str) -> None:
        self._campaign = campaign
        self._server = campaign.server
        self._workload = workload = campaign.workload
        self._fault = fault
        self._log = workload.out.with_name("fault.log")
        self._now, self._before = (
            workload.out.with_name(f"{name}-{fault}") for name in ("now", "before")
        )
        self._last: tuple[str, str] | None = None  # file and node of the last fault
        self.said = ""

    def begin(self, *, goes_on: bool) -> None:
        """Prepares the files for the first run of this command.

        With `goes_on`, the first run starts with the files that an earlier command has kept.
        Otherwise, the first run starts with an empty pipeline root.
        """
        self._workload.clear()
        if not goes_on:
            self._workload.keep(self._now)

    def cause_fault(self, file: str) -> Iterator[tuple[str, str, int | None, list[str]]]:
        """Disturbs a run when it creates `file`; yields (file, node, status, what went wrong).

        If the run fails before it creates `file`, the previous run must have left damaged files.
        The method then yields a failure of the previous run, and repeats the failed run with the
        files from before the previous run.
        """
        self._workload.put_back(self._now)
        fault_occurred, status = self._run(file)
        if not fault_occurred and status and self._last:
            # The run failed before its disturbance, so the previous run must have left damaged
            # files. The repeated run starts with the files from before the previous run.
            yield (*self._last, status, [f"the next run: {self.said}"])
            self._workload.put_back(self._before)
            self._workload.keep(self._now)
            self._last = None
            fault_occurred, status = self._run(file)
        if not fault_occurred and status == 0:
            # The run reused files of the previous runs, and therefore did not create `file`. The
            # repeated run starts with an empty pipeline root, so it must create every file.
            self._workload.clear()
            self._workload.keep(self._now)
            self._last = None
            fault_occurred, status = self._run(file)
        wrong = [] if fault_occurred else [f"the fault did not occur: {self.said}"]
        text = self._workload.out.read_text(errors="replace")
        if self._fault == "ENOSPC" and status and "Traceback" in text:
            wrong.append("a traceback")
        if status == 0:
            wrong += self._campaign.compare(status)
        node = node_of(self._workload)
        yield file, node, status, wrong
        if status == 0 or not fault_occurred:
            # `self._now` stays unchanged, so the next run starts with the same files as this run.
            self._last = None
        else:
            self._last = file, node
            shutil.rmtree(self._before, ignore_errors=True)
            self._now.rename(self._before)
            self._workload.keep(self._now)

    def end(self) -> list[str]:
        """Runs the pipeline without a fault; returns the differences from an undisturbed run."""
        self._workload.put_back(self._now)
        return self._campaign.run()

    def _run(self, file: str) -> tuple[bool, int | None]:
        """Runs the pipeline with a fault at `file`.

        Returns:
          Whether the fault occurred, and the exit status.
        """
        self._log.unlink(missing_ok=True)
        self._server.begin(
            self._workload,
            **_logged(self._workload, self._log),
            FAULT_PATH=file,
            FAULT_ACT=self._fault,
        )
        status = self._server.wait()
        lines = self._workload.out.read_text(errors="replace").splitlines()
        self.said = " | ".join(lines[-2:])
        log = self._log.read_text() if self._log.exists() else ""
        return "disturbed " in log, status
