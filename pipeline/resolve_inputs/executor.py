"""The executor of the node ResolveInputs."""

from typing import Any

from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.custom_job_trainer.job_request import JobRequest, write_job_request
from pipeline.batch import fit_batch
from pipeline.beam.flags import check_worker_storage
from pipeline.inputs import resolve_inputs
from pipeline.locations import check_locations
from pipeline.options.build import read_config
from pipeline.options.custom_job import custom_job
from pipeline.properties import make_properties
from pipeline.resolve_inputs.ownership import claim
from pipeline.resolve_inputs.volumes import check_volumes
from pipeline.run_parameters import with_parameters

SETTINGS = "settings"


class Executor(base_executor.BaseExecutor):
    """Finds the data and the model for a run of a compiled pipeline.

    In a local run, `pipeline_runner.py` finds the data and the model before it starts the pipeline,
    so the pipeline has no node ResolveInputs.
    """

    def Do(  # noqa: N802 (TFX requires this name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes each property of `pipeline.properties.Properties` to the output of the same name.

        Raises:
          InputError: a parameter is missing or outside its range; the data or the model cannot be
            found; the run would write to the directory of its data; the run cannot write to a
            volume; or another pipeline uses the state directory.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        properties = dict(exec_properties)
        config = with_parameters(read_config(properties.pop(SETTINGS)), properties)
        check_locations(config)
        check_worker_storage(config)
        check_volumes(config)
        claim(config)
        inputs = resolve_inputs(config)
        logging.info("This run reads %s: %s", config.model_and_dataset, inputs)
        for name, text in inputs.found.describe().items():
            logging.info("%s: %s", name, text)
        for warning in inputs.found.warnings():
            logging.warning("%s", warning)
        inputs.found.check()
        fitted = fit_batch(config, inputs.found.train_images)
        if fitted != config:
            logging.warning("batch size: %d", fitted.train.batch_size)
        for name, value in make_properties(fitted, inputs).by_name().items():
            artifact_utils.get_single_instance(output_dict[name]).value = value
        if config.machines.trainer.machine_type:
            # The region cannot be None, because `check_custom_job` requires a region.
            assert config.cloud.region is not None
            job = custom_job(config.name, config.machines.trainer, config.cloud)
            write_job_request(output_dict, JobRequest(job=job, region=config.cloud.region))
