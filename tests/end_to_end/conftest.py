"""Runs of the whole pipeline, in this process: importing TFX once is dear enough."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import coverage
import pytest

from tests.captured_run import run_captured


@dataclasses.dataclass
class Run:
    """A run of the command line.

    Attributes:
      status: its exit status.
      out: what it printed to stdout.
      err: what it printed to stderr.
      ran: the nodes that were not taken from the cache.
      artifacts: URIs by "node.output", as the summary has them.
    """

    status: int
    out: str
    err: str
    ran: set[str]
    artifacts: dict[str, Path]

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def value(self, name: str) -> str:
        """Returns the rest of the line `name: …` of the summary."""
        return next(line for line in self.lines if line.startswith(f"{name}: ")).split(": ", 1)[1]

    @property
    def accuracy(self) -> float:
        return float(self.value("test accuracy").split()[0])


def run_pipeline(root: Path, *arguments: str) -> Run:
    """Runs `pipeline_runner.py` with these arguments on a pipeline root."""
    status, *texts = run_captured(*arguments, "--pipeline-root", str(root))
    lines = texts[0].splitlines()
    ran = {line.split(":")[0] for line in lines if ": done in " in line}
    fields = (line.split(maxsplit=1) for line in lines if line.startswith("  ") and "." in line)
    artifacts = {name: Path(uri) for name, uri in fields if "." in name and uri.startswith("/")}
    return Run(status, *texts, ran, artifacts)


@pytest.fixture(scope="session", autouse=True)
def vit_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Models are made in a cache of the tests' own."""
    before = os.environ.get("VIT_HOME")
    os.environ["VIT_HOME"] = str(tmp_path_factory.mktemp("vit_home"))
    yield
    if before is None:
        del os.environ["VIT_HOME"]
    else:
        os.environ["VIT_HOME"] = before


@pytest.fixture(scope="module")
def uncovered() -> Iterator[None]:
    """A context in which coverage is not measured.

    It traces every call, and most are Beam's and TFX's: a run takes 1.7 times as long. The short
    runs of test_resume.py have the lines that the long ones have.
    """
    tracer = coverage.Coverage.current()
    if tracer:
        tracer.stop()
    yield
    if tracer:
        tracer.start()


@pytest.fixture(scope="session")
def pipeline() -> Callable[..., Run]:
    return run_pipeline
