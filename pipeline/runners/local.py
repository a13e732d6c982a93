"""Runs the pipeline in this process, one node after the other."""

import dataclasses

from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.metadata import sqlite_metadata_connection_config

from pipeline.config import Config
from pipeline.console import Console
from pipeline.inputs import Inputs
from pipeline.lineage import latest_run
from pipeline.pipeline import create_pipeline
from pipeline.report import Report, make_report
from pipeline.root import state_directory
from pipeline.runners.events import reported_to

_ON_THIS_MACHINE = (
    "--runner=DirectRunner",
    # Without triggers this changes nothing, except that Beam takes its own Python engine at once
    # rather than try to download another one first.
    "--allow_unsafe_triggers",
    # Where nothing says what workers run, TFX packs itself up for them, two seconds a node; here
    # workers run what is installed, and nobody looks at this.
    "--sdk_container_image=none",
)


def run(config: Config, inputs: Inputs, console: Console) -> Report:
    """Runs the pipeline to its end.

    Raises:
      Exception: whatever a node raises.
    """
    arguments = config.run.beam_args
    if not any(argument.startswith("--runner") for argument in arguments):
        arguments = (*_ON_THIS_MACHINE, *arguments)
    config = dataclasses.replace(config, run=dataclasses.replace(config.run, beam_args=arguments))
    connection = sqlite_metadata_connection_config(str(state_directory(config) / "metadata.sqlite"))
    pipeline = create_pipeline(config, inputs)
    pipeline.metadata_connection_config = connection
    with reported_to(console, lambda node: latest_run(connection)[node].cached):
        LocalDagRunner().run(pipeline)
    return make_report(latest_run(connection), inputs.classes)
