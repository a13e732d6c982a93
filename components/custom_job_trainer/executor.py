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
    """Submits a custom job whose containers run Trainer's executor, and waits for its end."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Has every worker of the job that the run ordered do what Trainer's executor does.

        Whatever ends the wait for it, SIGTERM or an error, cancels the job.

        Raises:
          google.api_core.exceptions.GoogleAPIError: Vertex AI does not take the job, or does not
            say how it is.
          RuntimeError: the job failed, or was cancelled.
          SystemExit: the step was told to end.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        order = read_job_request(output_dict)
        with end_job_with_step(order["job"], order["region"]):
            runner.start_cloud_training(
                input_dict,
                output_dict,
                exec_properties,
                name_utils.get_full_name(GenericExecutor),
                order["job"],
                job_id=None,
                enable_vertex=True,
                vertex_region=order["region"],
            )
