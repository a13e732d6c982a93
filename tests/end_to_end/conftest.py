"""Runs the whole pipeline in the tests' process, because each import of TFX takes many seconds."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.report import console
from tests.captured_run import run_captured

_RESULT = f" INFO {console.__name__}: "  # log lines with results contain this prefix


@dataclasses.dataclass
class Run:
    """A run of the command line.

    Attributes:
      status: the exit status.
      out: the text on stdout.
      err: the text on stderr.
      ran: the nodes that were not taken from the cache.
      artifacts: the URIs of the artifacts in the log; the keys have the form "node.output".
      log: the lines of the log that contain results.
    """

    status: int
    out: str
    err: str
    ran: set[str]
    artifacts: dict[str, Path]
    log: list[str]

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def value(self, name: str) -> str:
        """Returns the text after `name: ` in a line of the summary or of the log."""
        lines = [*self.lines, *self.log]
        return next(line for line in lines if line.startswith(f"{name}: ")).split(": ", 1)[1]

    @property
    def accuracy(self) -> float:
        return float(self.value("test accuracy").split()[0])


def run_pipeline(root: Path, *arguments: str) -> Run:
    """Runs the command line with these arguments and the pipeline root `root`."""
    status, *texts = run_captured(*arguments, "--pipeline-root", str(root))
    lines = texts[0].splitlines()
    ran = {line.split(":")[0] for line in lines if ": done in " in line}
    files = [line.split(maxsplit=1)[1] for line in lines if line.startswith("  log ")]
    logged = "".join(Path(file).read_text() for file in files).splitlines()
    log = [line.partition(_RESULT)[2] for line in logged if _RESULT in line]
    fields = (line.removeprefix("artifact ").split(": ", 1) for line in log if ": /" in line)
    artifacts = {name: Path(uri) for name, uri in fields if "." in name}
    return Run(status, *texts, ran, artifacts, log)


@pytest.fixture(scope="session", autouse=True)
def vit_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Sets VIT_HOME, so that the tests have their own model cache."""
    before = os.environ.get("VIT_HOME")
    os.environ["VIT_HOME"] = str(tmp_path_factory.mktemp("vit_home"))
    yield
    if before is None:
        del os.environ["VIT_HOME"]
    else:
        os.environ["VIT_HOME"] = before


@pytest.fixture(scope="session")
def pipeline() -> Callable[..., Run]:
    return run_pipeline
