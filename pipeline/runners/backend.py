"""Deploys a compiled pipeline, and defines the common interface of the services that run it."""

import abc
import dataclasses
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from google.api_core import retry

from common.errors import InputError, RefusedError
from common.service_errors import Errors, explain_errors
from pipeline.options.cluster import SUFFIXES, Cloud
from pipeline.options.config import Config
from pipeline.report.console import Console

Result = TypeVar("Result")

FIRST_WAIT = 1.0  # seconds before the first retry of a request; the wait doubles up to 30 seconds
PATIENCE = 20.0  # seconds for which a failing read-only request is retried
OUTAGE = 900.0  # seconds for which --wait retries a failing request for the state of the run

# If the node ExampleValidator fails, the error message says that the node has refused the data.
DATA_CHECK = "ExampleValidator"


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A schedule as `--list-schedules` shows it.

    Attributes:
      id: the id of the schedule in the service.
      name: the name of the pipeline.
      state: the state, such as ACTIVE or PAUSED.
      cron: the times of the runs, as a cron expression.
      next_run: the time of the next run; empty if it is not known.
    """

    id: str
    name: str
    state: str
    cron: str
    next_run: str


@dataclasses.dataclass(frozen=True)
class RunState:
    """The state of a submitted run at one moment.

    Attributes:
      state: the state, such as RUNNING.
      is_over: whether the run has ended.
      succeeded: whether the run has ended without a failure.
      tasks: the state of each task, by its name.
      not_pushed: the reason why the model was not pushed; empty if it was pushed or the run has not
        ended; None if it is unknown whether the model was pushed.
      unknown: the reason why it is unknown whether the model was pushed; empty if it is known.
    """

    state: str
    is_over: bool
    succeeded: bool
    tasks: Mapping[str, str]
    not_pushed: str | None
    unknown: str = ""


class Backend(abc.ABC):
    """A connection to a service that runs pipelines: Vertex AI or Kubeflow Pipelines.

    Every method raises InputError with a message of one line if the service refuses the request.

    Attributes:
      title: the name of the service, for messages.
      pages: the name of the website that shows runs and schedules, for messages.
      errors: maps each exception class of the client library, except `connection_errors`, to a
        function that returns the message for the user.
      connection_errors: the exception classes that mean that a connection failed.
    """

    title: str
    pages: str
    errors: Errors
    connection_errors: tuple[type[Exception], ...]

    @staticmethod
    @abc.abstractmethod
    def is_refusal(error: Exception) -> bool:
        """Whether the service refused a request without acting on it, so that a retry is safe."""

    @staticmethod
    @abc.abstractmethod
    def is_temporary(error: Exception) -> bool:
        """Whether a read-only request that failed with `error` may succeed in a retry."""

    def _request(self, what: str, question: Callable[[], Result]) -> Result:
        """Makes a request that changes something, such as a request to submit a run.

        Retries the request only if the service refused the request and did not act on it, because a
        retry after a lost response could, for example, submit a second run.
        """
        again = retry.Retry(self.is_refusal, initial=FIRST_WAIT, maximum=30.0, timeout=120.0)
        lost = (
            "it is not known whether the request arrived: check with --list-schedules or in "
            f"{self.pages} before you try again"
        )
        with explain_errors(f"{self.title}, {what}", self._errors(lost)):
            return again(question)()

    def _query(
        self, what: str, question: Callable[[], Result], *, patience: float | None = None
    ) -> Result:
        """Makes a read-only request; retries it for `patience` seconds after temporary errors."""
        again = retry.Retry(
            self.is_temporary, initial=FIRST_WAIT, maximum=30.0, timeout=patience or PATIENCE
        )
        with explain_errors(f"{self.title}, {what}", self._errors("check address and network")):
            return again(question)()

    def _errors(self, after_failed_connection: str) -> Errors:
        """Returns `errors`, completed with a message for each class in `connection_errors`.

        Args:
          after_failed_connection: what the user should do after a failed connection.
        """
        failed = {
            kind: lambda e: f"the connection failed ({e}); {after_failed_connection}"
            for kind in self.connection_errors
        }
        return failed | dict(self.errors)

    @abc.abstractmethod
    def submit(self, config: Config, job: Path) -> tuple[str, str]:
        """Submits a run of the compiled pipeline in the file `job`.

        Returns:
          The id of the run, and the URL of its page.
        """

    @abc.abstractmethod
    def run_state(self, run: str) -> RunState:
        """Returns the state of the run with this id."""

    @abc.abstractmethod
    def create_schedule(self, config: Config, job: Path) -> str:
        """Schedules runs of the compiled pipeline in the file `job` at the times in `config`.

        Returns:
          The URL of the schedule's page.
        """

    @abc.abstractmethod
    def schedules(self) -> list[Schedule]:
        """Returns all schedules of pipelines in the project and region, or in the namespace."""

    @abc.abstractmethod
    def pause(self, schedule: str) -> None:
        """Pauses the schedule with this id: it starts no runs until it is resumed."""

    @abc.abstractmethod
    def resume(self, schedule: str) -> None:
        """Resumes the schedule with this id."""

    @abc.abstractmethod
    def delete(self, schedule: str) -> None:
        """Deletes the schedule with this id."""


def deploy(config: Config, console: Console, connect: Callable[[Cloud], Backend]) -> bool:
    """Compiles the pipeline, then writes, submits or schedules it, depending on `config`.

    Args:
      config: the configuration.
      console: the console that shows the results.
      connect: a function that connects to the service. `deploy` connects before it compiles the
        pipeline, so that the user learns of a failed connection before the slow compilation.

    Returns:
      False if `--wait` is given and the model of the run was not blessed; else True.

    Raises:
      InputError: the service refuses a request, or `--wait` is given and the run failed.
    """
    cloud = config.cloud
    backend = None if cloud.output else connect(cloud)
    from pipeline.runners.compile import DEFAULT_IMAGE, compile_job, write_job

    console.show_activity("compiling")
    job = compile_job(config)
    if backend is None:
        assert cloud.output is not None
        write_job(job, Path(cloud.output), config)
        if cloud.image is None:
            console.warn(f"The image is {DEFAULT_IMAGE}; --image names the image in your registry.")
        console.line(f"compiled: {cloud.output}", style="bold green")
        return True
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, config.name + SUFFIXES[config.run.runner])
        write_job(job, file, config)
        console.show_activity("submitting")
        if cloud.schedule:
            _check_no_schedule(backend, config.name)
            page = backend.create_schedule(config, file)
            console.line(f"scheduled: {config.name}: {cloud.schedule}", style="bold green")
            console.line(f"see: {page}")
            return True
        run, page = backend.submit(config, file)
    console.line(f"submitted: {run}", style="bold green")
    console.line(f"see: {page}")
    return not cloud.wait or _follow_run(backend, run, page, console, cloud.poll_seconds)


def _check_no_schedule(backend: Backend, name: str) -> None:
    if any(schedule.name == name for schedule in backend.schedules()):
        raise InputError(
            f"--schedule: the pipeline {name} has a schedule already; delete it with "
            f"--delete-schedule {name}, or choose another --name"
        )


def _follow_run(backend: Backend, run: str, page: str, console: Console, seconds: float) -> bool:
    seen: dict[str, str] = {}
    while True:
        try:
            now = backend.run_state(run)
        except InputError as error:
            raise InputError(f"{error}; the run may still be in progress: see {page}") from error
        for task, state in now.tasks.items():
            if seen.get(task) != state:
                console.line(f"{task}: {state.lower()}")
        seen.update(now.tasks)
        if now.is_over:
            break
        time.sleep(seconds)
    if not now.succeeded:
        # This condition looks for the node ExampleValidator among all failed tasks, because the
        # service may also list the run itself as a failed task.
        if any(
            task.lower() == DATA_CHECK.lower() and state == "FAILED"
            for task, state in now.tasks.items()
        ):
            raise RefusedError(f"{run}: {DATA_CHECK} refused the data; see its log at {page}")
        raise InputError(f"{run}: the run ended in the state {now.state.lower()}; see {page}")
    if now.not_pushed:
        console.line(f"verdict: not blessed: {now.not_pushed}", style="bold red")
        return False
    console.line("ended: succeeded", style="bold green")
    if now.not_pushed is None:
        console.line(
            f"verdict: unknown: {now.unknown}; Pusher's log says whether the model was blessed and "
            "pushed; with --fail-on-unblessed, a run fails if its model is not blessed"
        )
    return True


def schedule_id(backend: Backend, name: str) -> str:
    """Returns the id of the schedule that has the name or the id `name`.

    Raises:
      InputError: no schedule has this name or id, or several schedules have this name.
    """
    schedules = backend.schedules()
    found = [s.id for s in schedules if name in (s.name, s.id)]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"{name}: {len(found)} schedules have this name; give one of their ids: "
            f"{', '.join(found)}"
        )
    raise InputError(
        f"{name}: there is no such schedule; expected one of "
        f"{', '.join(s.name for s in schedules) or 'none'} (--list-schedules)"
    )
