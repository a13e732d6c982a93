"""Compares the outcome of a run with the outcome of an undisturbed run."""

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
    """The outcome of a run: exit status, messages and served weights.

    Attributes:
      status: the exit status; None if the run did not end.
      said: the printed lines with accuracy and verdict, or the last lines of a failed run.
      served: the weights of each version in the serving directory; None for an incomplete version.
    """

    status: int | None
    said: tuple[str, ...]
    served: list[np.ndarray | None]

    @classmethod
    def of(cls, server: ForkServer, workload: Workload, status: int | None) -> "Outcome":
        """Reads the outcome of the last run, which has ended with `status`."""
        lines = workload.out.read_text(errors="replace").splitlines()
        wanted = ("test accuracy: ", "verdict: ") if status == 0 else ("",)
        said = [line for line in lines if line.startswith(wanted)]
        file = workload.out.with_name("weights.npy")
        served = [server.weights(version, file) for version in workload.versions]
        return cls(status, tuple(said[-2:]), served)

    def differences(self, reference: "Outcome") -> list[str]:
        """Returns the differences from `reference`; the weights must be bit-identical."""
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
    """An undisturbed run on an empty pipeline root.

    Attributes:
      outcome: the outcome of the run.
      seconds: the duration of the run, which does not include the imports.
    """

    outcome: Outcome
    seconds: float

    @classmethod
    def of(cls, server: ForkServer, workload: Workload, **faults: str) -> "Reference":
        """Runs the workload on an empty pipeline root; `faults` are environment variables for the
        library fault.c."""
        workload.clear()
        begun = time.monotonic()
        server.begin(workload, **faults)
        status = server.wait()
        assert status == 0, workload.out.read_text()
        return cls(Outcome.of(server, workload, status), time.monotonic() - begun)


def node_of(workload: Workload) -> str:
    """Returns the node that the newest run started last."""
    lines = workload.out.read_text(errors="replace").splitlines()
    nodes = [line.removesuffix(": started") for line in lines if line.endswith(": started")]
    return nodes[-1] if nodes else "before the first node"


@dataclasses.dataclass(frozen=True)
class Campaign:
    """The settings for all disturbed runs of a campaign.

    Attributes:
      server: the server that forks a process for each run.
      workload: the pipeline that is run.
      reference: the results of an undisturbed run of the workload.
      results: the file to which each disturbed run adds a line.
      until: the time of the monotonic clock at which the command ends.
    """

    server: ForkServer
    workload: Workload
    reference: Reference
    results: "Results"
    until: float

    @property
    def is_over(self) -> bool:
        """Whether the time limit of the command has passed."""
        return time.monotonic() > self.until

    def run(self) -> list[str]:
        """Runs the pipeline without a fault; returns the differences from the reference."""
        self.server.begin(self.workload)
        return self.compare(self.server.wait())

    def compare(self, status: int | None) -> list[str]:
        """Returns how the last run, which ended with `status`, differs from the reference."""
        outcome = Outcome.of(self.server, self.workload, status)
        return outcome.differences(self.reference.outcome)


class Results:
    """A file with one line of JSON for each disturbed run."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)

    def add(self, **values: Any) -> None:
        """Adds a result and prints it."""
        line = json.dumps(values)
        with self._file.open("a") as file:
            file.write(f"{line}\n")
        print(line, flush=True)

    def read(self, **values: Any) -> list[dict[str, Any]]:
        """Returns the results whose fields have the given values."""
        if not self._file.exists():
            return []
        rows = map(json.loads, self._file.read_text().splitlines())
        return [row for row in rows if values.items() <= row.items()]

    def table(self) -> str:
        """Returns a Markdown table of the results, by kind of disturbance and value of --tune."""
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
