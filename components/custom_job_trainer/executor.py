"""Executor of `CustomJobTrainer`."""

from typing import Any

from tfx import types
from tfx.components.trainer.executor import GenericExecutor
from tfx.dsl.components.base import base_executor
from tfx.extensions.google_cloud_ai_platform import runner
from tfx.utils import name_utils

from components.custom_job_trainer.cancel import end_job_with_step
from components.custom_job_trainer.job_request import read_job_request


class Executor(base_executor.BaseExecutor):
    """Submits a custom job whose containers run Trainer's executor, and waits for the job."""

    def Do(  # noqa: N802 (TFX requires this name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Submits the custom job and waits for it; each worker of the job runs Trainer's executor.

        If the step gets SIGTERM, or fails while it waits for the job, the executor cancels the job.

        Raises:
          google.api_core.exceptions.GoogleAPIError: Vertex AI rejects the job, or does not report
            its state.
          RuntimeError: the job failed or was cancelled.
          SystemExit: the step received SIGTERM.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        request = read_job_request(output_dict)
        with end_job_with_step(request.job, request.region):
            runner.start_cloud_training(
                input_dict,
                output_dict,
                exec_properties,
                name_utils.get_full_name(GenericExecutor),
                request.job,
                job_id=None,
                enable_vertex=True,
                vertex_region=request.region,
            )
