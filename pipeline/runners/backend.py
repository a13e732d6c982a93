"""What a place that runs compiled pipelines can do, and the way of a pipeline there."""

import abc
import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from google.api_core import exceptions, retry

from common.errors import InputError
from pipeline.options.cluster import SUFFIXES, Cloud
from pipeline.options.config import Config
from pipeline.report.console import Console

Result = TypeVar("Result")
Errors = Mapping[type[Exception], Callable[[Any], str]]

FIRST_WAIT = 1.0  # seconds, before a request is made again; then twice as long, up to 30
PATIENCE = 20.0  # seconds, with what only looks
OUTAGE = 900.0  # seconds that a run that is followed may be out of sight

HINTS = {
    400: "the request was refused as it is",
    401: "the credentials are not accepted; log in again",
    403: "the account lacks a permission",
    404: "check project, region, host and name",
    409: "it is there already; delete it, or give another --name",
    429: "a quota is used up; try again later",
    500: "the fault is on the other side; try again later",
}


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A schedule, as it is listed.

    Attributes:
      id: the backend's own.
      name: the pipeline's.
      state: such as ACTIVE or PAUSED.
      cron: its times.
      next_run: when it runs next; empty where that is not known.
    """

    id: str
    name: str
    state: str
    cron: str
    next_run: str


@dataclasses.dataclass(frozen=True)
class RunState:
    """A submitted run at one moment.

    Attributes:
      state: such as RUNNING.
      is_over: whether it has ended.
      succeeded: whether it has ended well.
      tasks: the state of each task.
      not_pushed: why the model was not pushed; empty where it was, or the run goes on; None where
        that cannot be known.
      unknown: why it cannot be known; empty where it can.
    """

    state: str
    is_over: bool
    succeeded: bool
    tasks: Mapping[str, str]
    not_pushed: str | None
    unknown: str = ""


class Backend(abc.ABC):
    """A connection to Vertex AI or Kubeflow Pipelines.

    Every method raises InputError, in a line, where the other side says no.

    Attributes:
      title: what it is called.
      pages: where its runs and schedules are seen.
      errors: what each kind of its client's errors says, but for those of connections.
      lost: the kinds that say that a connection failed.
    """

    title: str
    pages: str
    errors: Errors
    lost: tuple[type[Exception], ...]

    @staticmethod
    @abc.abstractmethod
    def is_refusal(error: Exception) -> bool:
        """Whether a request was refused before it was looked at: asked again, it does no harm."""

    @staticmethod
    @abc.abstractmethod
    def is_passing(error: Exception) -> bool:
        """Whether what only looks may see more when it looks again."""

    def _ask(self, what: str, question: Callable[[], Result]) -> Result:
        """Asks for something to be done; once more only where that can do no harm."""
        again = retry.Retry(self.is_refusal, initial=FIRST_WAIT, maximum=30.0, timeout=120.0)
        lost = (
            "it is not known whether the request arrived: look with --list-schedules or in "
            f"{self.pages} before you try again"
        )
        with explain_errors(f"{self.title}, {what}", self._errors(lost)):
            return again(question)()

    def _look(
        self, what: str, question: Callable[[], Result], *, patience: float | None = None
    ) -> Result:
        """Asks for what changes nothing, again and again for `patience` seconds."""
        again = retry.Retry(
            self.is_passing, initial=FIRST_WAIT, maximum=30.0, timeout=patience or PATIENCE
        )
        with explain_errors(f"{self.title}, {what}", self._errors("look at address and network")):
            return again(question)()

    def _errors(self, lost: str) -> Errors:
        """What all kinds of errors say; those of connections, with `lost` as what to do."""
        failed = {kind: lambda e: f"the connection failed ({e}); {lost}" for kind in self.lost}
        return failed | dict(self.errors)

    @abc.abstractmethod
    def submit(self, config: Config, job: Path) -> tuple[str, str]:
        """Runs the compiled `job`; returns the run's id and its page."""

    @abc.abstractmethod
    def run_state(self, run: str) -> RunState:
        """How the run of this id is."""

    @abc.abstractmethod
    def create_schedule(self, config: Config, job: Path) -> str:
        """Runs the compiled `job` at the times of `config`; returns the schedule's page or id."""

    @abc.abstractmethod
    def schedules(self) -> list[Schedule]:
        """All schedules of pipelines."""

    @abc.abstractmethod
    def pause(self, schedule: str) -> None:
        """Keeps the schedule of this id from beginning runs."""

    @abc.abstractmethod
    def resume(self, schedule: str) -> None:
        """Has the schedule of this id begin runs again."""

    @abc.abstractmethod
    def delete(self, schedule: str) -> None:
        """Deletes the schedule of this id."""


def deploy(config: Config, console: Console, connect: Callable[[Cloud], Backend]) -> bool:
    """Compiles the pipeline, and writes, submits or schedules it, whatever `config` asks for.

    Args:
      config: the configuration.
      console: says what was done.
      connect: makes the connection, before hours or minutes are spent on anything else.

    Returns:
      Whether all is well; False where a run that was followed did not push its model, because it
      was not blessed.

    Raises:
      InputError: the other side says no, or the run that was followed failed.
    """
    cloud = config.cloud
    backend = None if cloud.output else connect(cloud)
    from pipeline.runners.compile import DEFAULT_IMAGE, compile_job, write_job

    console.busy("compiling")
    job = compile_job(config)
    if backend is None:
        assert cloud.output is not None
        write_job(job, Path(cloud.output), config.machines)
        if cloud.image is None:
            console.warn(f"The image is {DEFAULT_IMAGE}; --image names the one in your registry.")
        console.line(f"compiled: {cloud.output}", style="bold green")
        return True
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, config.name + SUFFIXES[config.run.runner])
        write_job(job, file, config.machines)
        console.busy("submitting")
        if cloud.schedule:
            _refuse_second(backend, config.name)
            page = backend.create_schedule(config, file)
            console.line(f"scheduled: {config.name}: {cloud.schedule}", style="bold green")
            console.line(f"see: {page}")
            return True
        run, page = backend.submit(config, file)
    console.line(f"submitted: {run}", style="bold green")
    console.line(f"see: {page}")
    return not cloud.wait or _follow_run(backend, run, page, console, cloud.poll_seconds)


def _refuse_second(backend: Backend, name: str) -> None:
    if any(schedule.name == name for schedule in backend.schedules()):
        raise InputError(
            f"--schedule: there is one for {name} already; --delete-schedule {name} first, or give "
            "another --name"
        )


def _follow_run(backend: Backend, run: str, page: str, console: Console, seconds: float) -> bool:
    seen: dict[str, str] = {}
    while True:
        try:
            now = backend.run_state(run)
        except InputError as error:
            raise InputError(f"{error}; the run goes on without --wait: see {page}") from error
        for task, state in now.tasks.items():
            if seen.get(task) != state:
                console.line(f"{task}: {state.lower()}")
        seen.update(now.tasks)
        if now.is_over:
            break
        time.sleep(seconds)
    if not now.succeeded:
        raise InputError(f"{run}: ended as {now.state.lower()}; see {page}")
    if now.not_pushed:
        console.line(f"verdict: not blessed: {now.not_pushed}", style="bold red")
        return False
    console.line("ended: succeeded", style="bold green")
    if now.not_pushed is None:
        console.line(
            f"verdict: unknown: {now.unknown}; Pusher's log says whether the model was blessed and "
            "pushed; with --fail-on-unblessed, a run fails where it was not blessed"
        )
    return True


def schedule_id(backend: Backend, name: str) -> str:
    """The id of the schedule that `name` names, by its own name or its id.

    Raises:
      InputError: there is none, or several are called so.
    """
    schedules = backend.schedules()
    found = [s.id for s in schedules if name in (s.name, s.id)]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"{name}: {len(found)} schedules are called so; expected an id of {', '.join(found)}"
        )
    raise InputError(
        f"{name}: there is no such schedule; expected one of "
        f"{', '.join(s.name for s in schedules) or 'none'} (--list-schedules)"
    )


@contextmanager
def explain_errors(what: str, errors: Errors) -> Iterator[None]:
    """Within it, errors of a client's library become one line.

    Args:
      what: was tried.
      errors: what each kind says.

    Raises:
      InputError: instead of one of `errors`.
    """
    kinds: tuple[type[Exception], ...] = (exceptions.RetryError, *errors)
    try:
        yield
    except kinds as given_up:
        # A retry that gives up hides what it gave up on.
        error = (isinstance(given_up, exceptions.RetryError) and given_up.cause) or given_up
        say = next((say for kind, say in errors.items() if isinstance(error, kind)), str)
        raise InputError(f"{what}: {' '.join(say(error).split())}") from given_up


def answer(status: int | None, message: str) -> str:
    """What is said of an HTTP answer that is an error."""
    hint = HINTS.get(status or 500, HINTS[500] if (status or 500) >= 500 else HINTS[400])
    return f"{status} {message.strip()[:300]}; {hint}"
