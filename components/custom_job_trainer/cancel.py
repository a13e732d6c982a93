"""A step that is told to end has its custom job end as well.

Vertex AI tells a step by SIGTERM that its run is cancelled, and knows nothing of the job that the
step waits for: left alone, that would train on, and cost, until it is done. Google's own components
pass a cancellation on in the same way (google_cloud_pipeline_components, execution_context.py).
"""

import logging
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from google.cloud.aiplatform import gapic

logger = logging.getLogger(__name__)

# By which a step knows its job, even where it is told to end before it has the job's name.
_LABEL = "vit-step"
_STATUS = 128 + signal.SIGTERM


@contextmanager
def ending_with_step(job: dict[str, Any], region: str) -> Iterator[None]:
    """Within it, SIGTERM cancels the job that was made of `job`, and ends the process.

    Only for the main thread, which alone can handle signals.

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
    except _ToldToEndError:
        _cancel(step, parent, region)
        raise SystemExit(_STATUS) from None
    finally:
        signal.signal(signal.SIGTERM, before)


class _ToldToEndError(BaseException):
    """No Exception, so that nothing takes it for a failed request."""


def _end(*_: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    raise _ToldToEndError


def _cancel(step: str, parent: str, region: str) -> None:
    client = gapic.JobServiceClient(
        client_options={"api_endpoint": f"{region}-aiplatform.googleapis.com"}
    )
    request = {"parent": parent, "filter": f"labels.{_LABEL}={step}"}
    for job in client.list_custom_jobs(request=request):
        if job.end_time is None:
            logger.warning("told to end: cancelling %s", job.name)
            client.cancel_custom_job(name=job.name)
