"""A step that ends before its custom job has the job end as well.

Vertex AI tells a step by SIGTERM that its run is cancelled, and knows nothing of the job that the
step waits for: left alone, that would train on, and cost, until it is done. Google's own components
pass a cancellation on in the same way (google_cloud_pipeline_components, execution_context.py). A
wait that fails leaves such a job too, and a retry of the step would start a second one beside it,
with the same checkpoints.
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

# By which a step knows its job, even where it is told to end before it has the job's name.
_LABEL = "vit-step"
_STATUS = 128 + signal.SIGTERM

# In seconds: a container commonly has 30 from SIGTERM to SIGKILL.
_UNTIL_LISTED = 10.0
_ANSWER = 5.0
_RETRYING = Retry(
    if_exception_type(exceptions.ServerError, exceptions.TooManyRequests),
    initial=0.5,
    maximum=2.0,
    timeout=5.0,
)


@contextmanager
def end_job_with_step(job: dict[str, Any], region: str) -> Iterator[None]:
    """Within it, SIGTERM raises SystemExit; and whatever is raised cancels the job made of `job`.

    A job that has ended is left alone. Only for the main thread, which alone can handle signals.

    Args:
      job: as `tfx.extensions.google_cloud_ai_platform` takes it; it gets a label.
      region: where it is submitted to.
    """
    step = uuid.uuid4().hex
    parent = f"projects/{job['project']}/locations/{region}"
    job["labels"] = job.get("labels", {}) | {_LABEL: step}
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    except BaseException as error:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # not before the job is cancelled
        try:
            _cancel(step, parent, region, patience=_UNTIL_LISTED if _may_appear_later(error) else 0)
        except Exception:
            logger.exception("the custom job with label %s=%s was not cancelled", _LABEL, step)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(*_: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    raise SystemExit(_STATUS)


def _may_appear_later(error: BaseException) -> bool:
    """Whether a job that is not listed yet may be so later.

    Its creation may have been interrupted anywhere, or its answer lost. A request that was refused
    has made none, and a job that was waited for is listed already.
    """
    return not isinstance(error, Exception) or isinstance(error, exceptions.ServerError)


def _cancel(step: str, parent: str, region: str, *, patience: float) -> None:
    client = gapic.JobServiceClient(
        client_options={"api_endpoint": f"{region}-aiplatform.googleapis.com"}
    )
    jobs = _find(client, step, parent, patience=patience)
    if patience and not jobs:
        logger.warning("the step ends: no custom job with label %s=%s came up", _LABEL, step)
    for job in jobs:
        if job.end_time is None:
            logger.warning("the step ends: cancelling %s", job.name)
            with suppress(exceptions.FailedPrecondition):  # it has ended meanwhile
                _RETRYING(client.cancel_custom_job)(name=job.name, timeout=_ANSWER)


def _find(
    client: gapic.JobServiceClient, step: str, parent: str, *, patience: float
) -> list[gapic.CustomJob]:
    """The job of the step; while there is none, it is looked for again for `patience` seconds."""
    request = {"parent": parent, "filter": f"labels.{_LABEL}={step}"}
    until = time.monotonic() + patience
    while True:
        jobs = list(_RETRYING(client.list_custom_jobs)(request=request, timeout=_ANSWER))
        if jobs or time.monotonic() >= until:
            return jobs
        time.sleep(0.5)
