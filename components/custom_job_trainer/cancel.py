"""Cancels a custom job of Vertex AI if the pipeline step that waits for the job ends first.

When a run is cancelled, Vertex AI sends SIGTERM to the step, but does not know the job that the
step waits for: the job would go on training, and cost money, until its end. Google's own components
cancel their job on SIGTERM in the same way (google_cloud_pipeline_components,
execution_context.py). If a step fails while it waits, its job must be cancelled as well: otherwise
a retry would start a second job, which would use the same checkpoints at the same time.
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

# A label identifies the job of a step, even if the step ends before it knows the job's name.
_LABEL = "vit-step"
_STATUS = 128 + signal.SIGTERM

# Time limits in seconds; a container commonly has 30 s from SIGTERM to SIGKILL.
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
    """A context in which SIGTERM raises SystemExit, and any exception cancels the job.

    A job that has already ended is not cancelled. Only the main thread can use the context, since
    only the main thread can handle signals.

    Args:
      job: the job, in the form of `tfx.extensions.google_cloud_ai_platform`; it gets a label.
      region: the region in which the job is submitted.
    """
    step = uuid.uuid4().hex
    parent = f"projects/{job['project']}/locations/{region}"
    job["labels"] = job.get("labels", {}) | {_LABEL: step}
    before = signal.signal(signal.SIGTERM, _exit_on_sigterm)
    try:
        yield
    except BaseException as error:
        # SIGTERM is ignored until the job is cancelled.
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
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second SIGTERM is ignored
    raise SystemExit(_STATUS)


def _may_appear_later(error: BaseException) -> bool:
    """Whether a job that is not listed yet may be listed later.

    The request that creates the job may have been interrupted, or its response may have been lost.
    A refused request creates no job. If the step already waits for the end of a job, the job is
    listed.
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
            # Vertex AI refuses to cancel a job that has ended in the meantime.
            with suppress(exceptions.FailedPrecondition):
                _RETRY(client.cancel_custom_job)(name=job.name, timeout=_REQUEST_TIMEOUT)


def _find(
    client: gapic.JobServiceClient, step: str, parent: str, *, patience: float
) -> list[gapic.CustomJob]:
    """Lists the jobs of the step; if there is none, tries again for `patience` seconds."""
    request = {"parent": parent, "filter": f"labels.{_LABEL}={step}"}
    until = time.monotonic() + patience
    while True:
        jobs = list(_RETRY(client.list_custom_jobs)(request=request, timeout=_REQUEST_TIMEOUT))
        if jobs or time.monotonic() >= until:
            return jobs
        time.sleep(0.5)
