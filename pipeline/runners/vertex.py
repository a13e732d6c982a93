"""Runs the pipeline on Vertex AI."""

from pathlib import Path
from typing import Any

import requests.exceptions
from google.api_core import exceptions
from google.auth.exceptions import TransportError

from common import vertex_client
from common.google_errors import GOOGLE_ERRORS
from common.service_errors import explain_errors
from pipeline.options.cluster import Cloud
from pipeline.options.config import Config
from pipeline.options.schedule import for_vertex
from pipeline.report.console import Console
from pipeline.run_parameters import parameter_values
from pipeline.runners.backend import OUTAGE, Backend, RunState, Schedule, deploy

_PASSING = (
    exceptions.TooManyRequests,
    exceptions.ServerError,
    requests.exceptions.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.Timeout,
    TransportError,
)


def run(config: Config, console: Console) -> bool:
    """Compiles the pipeline, and writes, submits or schedules it; see `backend.deploy`."""
    return deploy(config, console, connect)


def connect(cloud: Cloud) -> Backend:
    """Connects to Vertex AI.

    Raises:
      InputError: no credentials are found.
    """
    return _Vertex(cloud)


class _Vertex(Backend):
    title = "Vertex AI"
    pages = "the console"
    errors = GOOGLE_ERRORS
    connection_errors = (requests.exceptions.RequestException,)

    @staticmethod
    def is_refusal(error: Exception) -> bool:
        return isinstance(error, exceptions.TooManyRequests)

    @staticmethod
    def is_temporary(error: Exception) -> bool:
        return isinstance(error, _PASSING)

    def __init__(self, cloud: Cloud) -> None:
        with explain_errors("--runner vertex", GOOGLE_ERRORS):
            self._sdk = vertex_client.connect(
                project=cloud.project, region=cloud.region, api_endpoint=cloud.api_endpoint
            )

    def submit(self, config: Config, job: Path) -> tuple[str, str]:
        cloud = config.cloud
        submitted = self._job(config, job)
        self._request(
            "submitting",
            lambda: submitted.submit(service_account=cloud.service_account, network=cloud.network),
        )
        return submitted.resource_name, submitted._dashboard_uri()

    def run_state(self, run: str) -> RunState:
        job = self._query(
            "looking at the run", lambda: self._sdk.PipelineJob.get(run), patience=OUTAGE
        ).to_dict()
        state = job["state"].removeprefix("PIPELINE_STATE_")
        details = job.get("jobDetail", {}).get("taskDetails", [])
        return RunState(
            state=state,
            is_over=state in ("SUCCEEDED", "FAILED", "CANCELLED"),
            succeeded=state == "SUCCEEDED",
            tasks={task["taskName"]: task["state"] for task in details if "state" in task},
            not_pushed=next(filter(None, map(_why_not_pushed, details)), ""),
        )

    def create_schedule(self, config: Config, job: Path) -> str:
        cloud = config.cloud
        assert cloud.schedule is not None
        cron = for_vertex(cloud.schedule)
        scheduled = self._job(config, job)
        schedule = self._request(
            "scheduling",
            lambda: scheduled.create_schedule(
                cron=cron,
                display_name=config.name,
                start_time=cloud.start,
                end_time=cloud.end,
                max_concurrent_run_count=cloud.max_concurrent_runs,
                service_account=cloud.service_account,
                network=cloud.network,
            ),
        )
        return schedule._dashboard_uri()

    def schedules(self) -> list[Schedule]:
        found = self._query("listing schedules", self._sdk.PipelineJobSchedule.list)
        return [
            Schedule(
                id=schedule.name,
                name=schedule.display_name,
                state=schedule._gca_resource.state.name,
                cron=schedule._gca_resource.cron,
                next_run=_time(schedule._gca_resource.next_run_time),
            )
            for schedule in found
        ]

    def pause(self, schedule: str) -> None:
        self._request("pausing", lambda: self._sdk.PipelineJobSchedule.get(schedule).pause())

    def resume(self, schedule: str) -> None:
        self._request("resuming", lambda: self._sdk.PipelineJobSchedule.get(schedule).resume())

    def delete(self, schedule: str) -> None:
        self._request("deleting", lambda: self._sdk.PipelineJobSchedule.get(schedule).delete())

    def _job(self, config: Config, job: Path) -> Any:
        cloud = config.cloud
        return self._sdk.PipelineJob(
            display_name=config.name,
            template_path=str(job),
            pipeline_root=config.pipeline_root,
            parameter_values=parameter_values(config),
            labels=cloud.label_values() or None,
            encryption_spec_key_name=cloud.encryption_key,
        )


def _why_not_pushed(task: dict[str, Any]) -> str:
    pushed = task.get("outputs", {}).get("pushed_model", {}).get("artifacts", [])
    return next((a.get("metadata", {}).get("reason", "") for a in pushed), "")


def _time(value: Any) -> str:
    return value.isoformat(timespec="minutes") if value else ""
