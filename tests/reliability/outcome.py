"""How a run has ended, and whether that is how it ends undisturbed."""

import dataclasses
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from tests.reliability.workload import ForkServer, Workload


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What counts of a run's end.

    Attributes:
      status: its exit status; None if it did not end.
      said: the lines that say accuracy and verdict, or those of its error.
      served: the weights of each version in the serving directory; None for an incomplete one.
    """

    status: int | None
    said: tuple[str, ...]
    served: list[np.ndarray | None]

    @classmethod
    def of(cls, server: ForkServer, workload: Workload, status: int | None) -> "Outcome":
        """Of the run of `workload` that has just ended with `status`."""
        lines = workload.out.read_text(errors="replace").splitlines()
        wanted = ("test accuracy: ", "verdict: ") if status == 0 else ("",)
        said = [line for line in lines if line.startswith(wanted)]
        file = workload.out.with_name("weights.npy")
        served = [server.weights(version, file) for version in workload.versions]
        return cls(status, tuple(said[-2:]), served)

    def differences(self, reference: "Outcome") -> list[str]:
        """What is not as in `reference`; weights must be bit-identical."""
        different = []
        if (self.status, self.said) != (reference.status, reference.said):
            different.append(f"status {self.status}: {' | '.join(self.said)}")
        if len(self.served) != len(reference.served):
            different.append(f"{len(self.served)} versions are served")
        for weights in self.served:
            if weights is None:
                different.append("an incomplete version is served")
                continue
            distance = np.abs(weights - reference.served[0]).max()
            if distance:
                different.append(f"weights differ by {distance:.2g}")
        return different


@dataclasses.dataclass(frozen=True)
class Reference:
    """An undisturbed run on an empty root.

    Attributes:
      outcome: how it ends.
      seconds: how long it takes, without the import.
    """

    outcome: Outcome
    seconds: float

    @classmethod
    def of(cls, server: ForkServer, workload: Workload, **faults: str) -> "Reference":
        """Runs it; `faults` are of the environment, for the preloaded library."""
        workload.clear()
        begun = time.monotonic()
        server.begin(workload, **faults)
        status = server.wait()
        assert status == 0, workload.out.read_text()
        return cls(Outcome.of(server, workload, status), time.monotonic() - begun)


def node_of(workload: Workload) -> str:
    """The node that the last run was in when it ended."""
    lines = workload.out.read_text(errors="replace").splitlines()
    nodes = [line.removesuffix(": started") for line in lines if line.endswith(": started")]
    return nodes[-1] if nodes else "before the first node"


@dataclasses.dataclass(frozen=True)
class Campaign:
    """The settings of a campaign, which all its parts share.

    Attributes:
      server: the server that forks a process for each run.
      workload: the pipeline that is run.
      reference: the results of an undisturbed run of the workload.
      results: the file that gets a line for each disturbed run.
      until: time of the monotonic clock at which the campaign ends; the next one continues it.
    """

    server: ForkServer
    workload: Workload
    reference: Reference
    results: "Results"
    until: float

    @property
    def is_over(self) -> bool:
        """Whether its time is over."""
        return time.monotonic() > self.until

    def run(self) -> list[str]:
        """Runs the pipeline from what lies there, undisturbed; see `compare`."""
        self.server.begin(self.workload)
        return self.compare(self.server.wait())

    def compare(self, status: int | None) -> list[str]:
        """What the run that has ended with `status` did not do as the reference did."""
        outcome = Outcome.of(self.server, self.workload, status)
        return outcome.differences(self.reference.outcome)


class Results:
    """Lines of JSON in a file, one a disturbed run."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)

    def add(self, **values: Any) -> None:
        """Adds one and prints it."""
        line = json.dumps(values)
        with self._file.open("a") as file:
            file.write(f"{line}\n")
        print(line, flush=True)

    def read(self, **values: Any) -> list[dict[str, Any]]:
        """All that have these values."""
        if not self._file.exists():
            return []
        rows = map(json.loads, self._file.read_text().splitlines())
        return [row for row in rows if values.items() <= row.items()]

    def table(self) -> str:
        """What was done, how often, and how often the next run ended as an undisturbed one."""
        rows: dict[tuple[str, str], Counter[str]] = {}
        longest: dict[tuple[str, str], float] = {}
        for row in self.read():
            key = (row["part"], row["tune"])
            counts = rows.setdefault(key, Counter())
            counts["all"] += 1
            counts["survived"] += row["survived"]
            longest[key] = max(longest.get(key, 0), row.get("seconds", 0))
        lines = ["| disturbance | tuning | runs | the next ended as undisturbed | longest end |"]
        lines += ["| --- | --- | --- | --- | --- |"]
        for (part, tune), counts in sorted(rows.items()):
            end = f"{longest[part, tune]:.1f} s" if "interrupts" in part else ""
            lines.append(f"| {part} | {tune} | {counts['all']} | {counts['survived']} | {end} |")
        return "\n".join(lines)
