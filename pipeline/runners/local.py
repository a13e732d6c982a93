"""Runs the pipeline in this process, one node after the other."""

from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.metadata import sqlite_metadata_connection_config

from pipeline.beam.engine import set_engine
from pipeline.inputs import Inputs
from pipeline.metadata_store import metadata_file
from pipeline.options.config import Config
from pipeline.pipeline import create_pipeline
from pipeline.report.console import Console
from pipeline.report.lineage import latest_run
from pipeline.report.outcome import Report, make_report
from pipeline.resolve_inputs.ownership import claim
from pipeline.root import state_directory
from pipeline.runners.artifact_check import check_artifacts
from pipeline.runners.node_events import report_nodes_to


def run(config: Config, inputs: Inputs, console: Console) -> Report:
    """Runs the pipeline to its end; returns its result.

    Raises:
      InputError: a remote pipeline root belongs to another pipeline, or Beam's flags name no
        environment for workers on other machines.
      Exception: the exception of a node that fails.
    """
    config = set_engine(config)
    if "://" in config.pipeline_root:  # a local root was claimed before TFX was loaded
        claim(config)
    connection = sqlite_metadata_connection_config(str(metadata_file(state_directory(config))))
    pipeline = create_pipeline(config, inputs)
    pipeline.metadata_connection_config = connection
    with (
        report_nodes_to(console, lambda node: latest_run(connection)[node].cached),
        check_artifacts(config.pipeline_root),
    ):
        LocalDagRunner().run(pipeline)
    return make_report(latest_run(connection))
