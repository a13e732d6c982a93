"""Cancels a Vertex AI custom job if the pipeline step that waits for the job is cancelled or fails.

When a user cancels a run, Vertex AI sends SIGTERM to the step, but does not cancel the custom job
that the step started. Without this module, the custom job would continue after the run was
cancelled, and cost money. Google's own pipeline components also cancel their jobs on SIGTERM (see
execution_context.py of google_cloud_pipeline_components). If the step fails while it waits for the
job, this module also cancels the job. If the job of a failed step continued, a retry of the step
would start a second job that writes the same checkpoints.
"""

import logging
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.cloud.aiplatform import gapic

logger = logging.getLogger(__name__)

# The pipeline step puts a label with this key on its custom job. With this label, the step can find
# the job even if the step was interrupted before Vertex AI returned the name of the job.
_LABEL = "vit-step"
_STATUS = 128 + signal.SIGTERM

# Time limits in seconds, which are short because a container usually gets SIGKILL 30 s after
# SIGTERM.
_LISTING_PATIENCE = 10.0
_REQUEST_TIMEOUT = 5.0
_RETRY = Retry(
    if_exception_type(exceptions.ServerError, exceptions.TooManyRequests),
    initial=0.5,
    maximum=2.0,
    timeout=5.0,
)


@contextmanager
def end_job_with_step(job: dict[str, Any], region: str) -> Iterator[None]:
    """A context that cancels a custom job if an exception is raised in the context.

    Inside the context, SIGTERM raises SystemExit, and so also cancels the job. If the job has
    already ended, for example because the training failed, the context has nothing to cancel. Use
    the context only in the main thread, because only the main thread can install signal handlers.

    Args:
      job: the description of the job, as TFX's `start_cloud_training` expects it in `job_args`. The
        function adds a label to `job`, so that it can later find the job in Vertex AI by this
        label.
      region: the region in which the job is submitted.
    """
    step = uuid.uuid4().hex
    parent = f"projects/{job['project']}/locations/{region}"
    job["labels"] = job.get("labels", {}) | {_LABEL: step}
    before = signal.signal(signal.SIGTERM, _exit_on_sigterm)
    try:
        yield
    except BaseException as error:
        # Ignore SIGTERM, so that a second SIGTERM does not interrupt the cancellation.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            patience = _LISTING_PATIENCE if _may_appear_later(error) else 0
            _cancel(step, parent, region, patience=patience)
        except Exception:
            logger.exception("the custom job with label %s=%s was not cancelled", _LABEL, step)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit_on_sigterm(*_: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second SIGTERM has no effect
    raise SystemExit(_STATUS)


def _may_appear_later(error: BaseException) -> bool:
    """Whether Vertex AI may have created a job that it does not list yet.

    If the request that creates the job was interrupted, or its response was lost because of a
    server error, the job may appear in Vertex AI's list of jobs a little later. If Vertex AI
    refused the request, there is no job. If the step was already waiting for the job to end, the
    job is listed.
    """
    return not isinstance(error, Exception) or isinstance(error, exceptions.ServerError)


def _cancel(step: str, parent: str, region: str, *, patience: float) -> None:
    client = gapic.JobServiceClient(
        client_options={"api_endpoint": f"{region}-aiplatform.googleapis.com"}
    )
    jobs = _find(client, step, parent, patience=patience)
    if patience and not jobs:
        logger.warning("the step ends: found no custom job with label %s=%s", _LABEL, step)
    for job in jobs:
        if job.end_time is None:
            logger.warning("the step ends: cancelling %s", job.name)
            # Ignore FailedPrecondition, which means that the job has ended since it was listed.
            with suppress(exceptions.FailedPrecondition):
                _RETRY(client.cancel_custom_job)(name=job.name, timeout=_REQUEST_TIMEOUT)


def _find(
    client: gapic.JobServiceClient, step: str, parent: str, *, patience: float
) -> list[gapic.CustomJob]:
    """Returns the custom jobs of the step; if it finds none, tries again for `patience` seconds."""
    request = {"parent": parent, "filter": f"labels.{_LABEL}={step}"}
    until = time.monotonic() + patience
    while True:
        jobs = list(_RETRY(client.list_custom_jobs)(request=request, timeout=_REQUEST_TIMEOUT))
        if jobs or time.monotonic() >= until:
            return jobs
        time.sleep(0.5)
