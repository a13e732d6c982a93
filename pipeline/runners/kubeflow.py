"""Runs the pipeline on Kubeflow Pipelines."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import kfp.client
import kfp_server_api
import urllib3.exceptions

from common.errors import InputError
from common.service_errors import Errors, describe_response, explain_errors
from pipeline.options.cluster import Cloud
from pipeline.options.config import Config
from pipeline.options.schedule import for_kubeflow
from pipeline.report.console import Console
from pipeline.run_parameters import parameter_values
from pipeline.runners.backend import OUTAGE, Backend, RunState, Schedule, deploy

_PAGE = 100


def _api_error_message(error: kfp_server_api.ApiException) -> str:
    try:
        message = json.loads(error.body)["message"]
    # Instead of JSON, the body of the response may be plain text, a proxy's page, or empty.
    except (TypeError, ValueError, KeyError):
        body = error.body or ""
        text = (body.decode(errors="replace") if isinstance(body, bytes) else body).strip()
        message = text if text and not text.startswith("<") else error.reason or ""
    return describe_response(error.status, message)


_ERRORS: Errors = {
    kfp_server_api.ApiException: _api_error_message,
    TimeoutError: lambda error: (  # the client raises TimeoutError after five failed health checks
        f"{error} Check that this is the address of the API or the dashboard, and that the "
        "server accepts the token in cloud.token_file."
    ),
    # The client raises ValueError if, for example, two pipelines have the same name.
    ValueError: str,
}


def run(config: Config, console: Console) -> bool:
    """Compiles the pipeline, and writes, submits or schedules it; see `backend.deploy`."""
    return deploy(config, console, connect)


def connect(cloud: Cloud) -> Backend:
    """Connects to Kubeflow Pipelines.

    Raises:
      InputError: the server does not answer.
    """
    return _Kubeflow(cloud)


class _Kubeflow(Backend):
    title = "Kubeflow Pipelines"
    pages = "the dashboard"
    errors = _ERRORS
    connection_errors = (urllib3.exceptions.HTTPError,)

    @staticmethod
    def is_refusal(error: Exception) -> bool:
        return getattr(error, "status", None) == 429

    @staticmethod
    def is_temporary(error: Exception) -> bool:
        if isinstance(error, kfp_server_api.ApiException):
            return error.status == 429 or (error.status or 0) >= 500
        return isinstance(error, _Kubeflow.connection_errors)

    def __init__(self, cloud: Cloud) -> None:
        self._namespace = cloud.namespace
        with explain_errors(f"--host {cloud.host}", self._errors("is the address right?")):
            self._client = kfp.client.Client(
                host=cloud.host,
                namespace=cloud.namespace or "kubeflow",
                existing_token=_token(cloud.token_file),
            )
            if cloud.token_file:  # a token may expire during --wait, so the client rereads the file
                self._client._existing_config.refresh_api_key_hook = _make_token_hook(
                    cloud.token_file
                )
            # urllib3 must not repeat a request whose response was lost, since the service may have
            # acted on the request.
            pool = self._client._run_api.api_client.rest_client.pool_manager
            pool.connection_pool_kw["retries"] = urllib3.Retry(
                total=3, connect=3, read=False, redirect=3, other=0, status=0
            )

    def submit(self, config: Config, job: Path) -> tuple[str, str]:
        pipeline, version = self._upload(config, job)
        experiment = self._experiment(config)
        run = self._request(
            "submitting",
            lambda: self._client.run_pipeline(
                experiment_id=experiment,
                job_name=f"{config.name}-{time.strftime('%Y%m%d%H%M%S')}",
                pipeline_id=pipeline,
                version_id=version,
                params=parameter_values(config),
                pipeline_root=config.pipeline_root,
                service_account=config.cloud.service_account,
            ),
        )
        return run.run_id, f"{self._client._get_url_prefix()}/#/runs/details/{run.run_id}"

    def run_state(self, run: str) -> RunState:
        found = self._query(
            "looking at the run", lambda: self._client.get_run(run), patience=OUTAGE
        )
        details = (found.run_details and found.run_details.task_details) or []
        state = found.state or "PENDING"
        succeeded = state == "SUCCEEDED"
        not_pushed, unknown = self._why_not_pushed(run) if succeeded else ("", "")
        return RunState(
            state=state,
            is_over=state in ("SUCCEEDED", "SKIPPED", "FAILED", "CANCELED"),
            succeeded=succeeded,
            tasks={task.display_name: task.state for task in details if task.state},
            not_pushed=not_pushed,
            unknown=unknown,
        )

    def _why_not_pushed(self, run: str) -> tuple[str | None, str]:
        """Returns the fields `not_pushed` and `unknown` of `RunState`, for a run that succeeded."""
        from pipeline.runners.kubeflow_metadata import read_properties

        try:
            found = self._query(
                "reading Pusher's verdict through the dashboard",
                lambda: read_properties(self._post_metadata, run, "Pusher/pushed_model"),
            )
        except InputError as error:
            return None, str(error)
        if found is None or "pushed" not in found:
            return None, "ML Metadata has no verdict of Pusher for this run"
        return "" if found["pushed"] else found.get("reason") or "Pusher gave no reason", ""

    def _post_metadata(self, path: str, body: bytes) -> tuple[Mapping[str, str], bytes]:
        """Sends a gRPC-Web request to the dashboard's server."""
        from pipeline.runners.kubeflow_metadata import CONTENT_TYPE

        client = self._client._run_api.api_client
        headers = {"Content-Type": CONTENT_TYPE, "Accept": CONTENT_TYPE, "X-Grpc-Web": "1"}
        client.update_params_for_auth(headers, [], ["Bearer"])
        response = client.rest_client.request(
            "POST", f"{client.configuration.host}{path}", headers=headers, body=body
        )
        found = {name.lower(): value for name, value in response.getheaders().items()}
        return found, response.data

    def create_schedule(self, config: Config, job: Path) -> str:
        cloud = config.cloud
        assert cloud.schedule is not None
        cron = for_kubeflow(cloud.schedule)
        pipeline, version = self._upload(config, job)
        experiment = self._experiment(config)
        schedule = self._request(
            "scheduling",
            lambda: self._client.create_recurring_run(
                experiment_id=experiment,
                job_name=config.name,
                start_time=cloud.start,
                end_time=cloud.end,
                cron_expression=cron,
                max_concurrency=cloud.max_concurrent_runs,
                no_catchup=True,
                params=parameter_values(config),
                pipeline_id=pipeline,
                version_id=version,
                pipeline_root=config.pipeline_root,
                service_account=cloud.service_account,
            ),
        )
        page = f"{self._client._get_url_prefix()}/#/recurringrun/details"
        return f"{page}/{schedule.recurring_run_id}"

    def schedules(self) -> list[Schedule]:
        found: list[Any] = []
        page = ""
        while True:
            answered = self._query("listing schedules", self._page_of_schedules(page))
            found += answered.recurring_runs or []
            page = answered.next_page_token or ""
            if not page:
                break
        return [
            Schedule(
                id=schedule.recurring_run_id,
                name=schedule.display_name,
                state={"ENABLED": "ACTIVE", "DISABLED": "PAUSED"}.get(
                    schedule.status, schedule.status or ""
                ),
                cron=_cron(schedule.trigger),
                next_run="",
            )
            for schedule in found
        ]

    def _page_of_schedules(self, page: str) -> Callable[[], Any]:
        return lambda: self._client.list_recurring_runs(
            page_token=page, page_size=_PAGE, namespace=self._namespace
        )

    def pause(self, schedule: str) -> None:
        self._request("pausing", lambda: self._client.disable_recurring_run(schedule))

    def resume(self, schedule: str) -> None:
        self._request("resuming", lambda: self._client.enable_recurring_run(schedule))

    def delete(self, schedule: str) -> None:
        self._request("deleting", lambda: self._client.delete_recurring_run(schedule))

    def _upload(self, config: Config, job: Path) -> tuple[str, str]:
        """Uploads the pipeline; returns the pipeline's id and the id of the uploaded version."""
        name = config.name
        pipeline = self._query(
            "looking for the pipeline", lambda: self._client.get_pipeline_id(name)
        )
        if pipeline is None:
            pipeline = self._request(
                "uploading",
                lambda: self._client.upload_pipeline(str(job), name, namespace=self._namespace),
            ).pipeline_id
            versions = self._query(
                "looking for the version", lambda: self._client.list_pipeline_versions(pipeline)
            )
            if not versions.pipeline_versions:
                raise InputError(
                    f"{self.title}: the pipeline {name} was uploaded, but has no version; delete "
                    f"the pipeline in {self.pages} and try again"
                )
            return pipeline, versions.pipeline_versions[0].pipeline_version_id
        version = self._request(
            "uploading",
            lambda: self._client.upload_pipeline_version(
                str(job), f"{name}-{time.strftime('%Y%m%d%H%M%S')}", pipeline_id=pipeline
            ),
        )
        return pipeline, version.pipeline_version_id

    def _experiment(self, config: Config) -> str:
        return self._request(
            "creating the experiment",
            lambda: self._client.create_experiment(config.name, namespace=self._namespace),
        ).experiment_id


def _token(file: str | None) -> str | None:
    if file is None:
        return None
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InputError(
            f"cloud.token_file {file}: {error.strerror}; expected a file with a bearer token"
        ) from error


def _make_token_hook(file: str) -> Callable[[Any], None]:
    """Returns a hook that reads the token from `file` before each request of the client."""

    def read_token(config: Any) -> None:
        config.api_key["authorization"] = _token(file)

    return read_token


def _cron(trigger: Any) -> str:
    if trigger is None or trigger.cron_schedule is None:
        return ""
    return trigger.cron_schedule.cron or ""
