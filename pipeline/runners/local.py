"""Runs the pipeline in this process, one node after the other."""

from pathlib import Path
from typing import Any

import tensorflow as tf
from tfx.dsl.io import fileio
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.orchestration.pipeline import Pipeline, RunOptions

from common.notice import print_notice
from components.report.run_record import note_cached_run
from pipeline.beam.engine import beam_arguments
from pipeline.beam.quick_pipelines import quick_pipelines
from pipeline.found_images import FoundImages
from pipeline.inputs import Inputs
from pipeline.metadata_store import metadata_file
from pipeline.options.config import Config
from pipeline.pipeline import create_inspection, create_pipeline
from pipeline.report.console import Console
from pipeline.report.inspection import Inspection, allow_everything, describe_inspection
from pipeline.report.lineage import NodeRun, latest_run
from pipeline.report.outcome import Report, make_report
from pipeline.report.stopped_run import report_stopped_run, write_data_report
from pipeline.report_settings import make_report_settings
from pipeline.resolve_inputs.ownership import claim
from pipeline.root import state_directory
from pipeline.runners.artifact_check import check_artifacts
from pipeline.runners.node_events import report_nodes_to
from trainer.serving.serving_process import serving_process_ahead


def run(config: Config, inputs: Inputs, console: Console) -> Report:
    """Runs the pipeline to its end; returns its result.

    Raises:
      InputError: another pipeline uses the same remote pipeline root, or Beam's workers run in
        containers but no flag names the image of the containers.
      Exception: the exception that a node raised.
    """
    pipeline = create_pipeline(config, inputs, beam_arguments(config.run.beam_args))
    nodes = _run(config, inputs, pipeline, console)
    report = make_report(nodes)
    if nodes["Report"].cached:
        _note_cached_run(config.pipeline_root, report.page)
    return report


def _note_cached_run(root: str, page: str) -> None:
    """Records the run for `--history`; prints a notice if the run cannot be recorded."""
    try:
        note_cached_run(root, page)
    except (OSError, tf.errors.OpError) as error:
        print_notice(f"{root}: the run could not be noted for --history ({error})")


def infer_schema(config: Config, inputs: Inputs, console: Console) -> str:
    """Runs the pipeline up to SchemaGen, and returns the inferred schema as text.

    Raises:
      InputError: another pipeline uses the same remote pipeline root, or Beam's workers run in
        containers but no flag names the image of the containers.
      Exception: the exception that a node raised.
    """
    pipeline = create_pipeline(config, inputs, beam_arguments(config.run.beam_args))
    nodes = _run(config, inputs, pipeline, console, RunOptions(to_nodes=["SchemaGen"]))
    (schema,) = nodes["SchemaGen"].outputs["schema"]
    with fileio.open(f"{schema.uri}/schema.pbtxt") as file:
        return file.read()


def inspect(config: Config, inputs: Inputs, console: Console) -> Inspection:
    """Reads and checks the images, and writes a report, even if checks find problems.

    Raises:
      InputError: another pipeline uses the same remote pipeline root, or Beam's workers run in
        containers but no flag names the image of the containers.
      Exception: the exception that a node raised.
    """
    beam_args = beam_arguments(config.run.beam_args)
    pipeline = create_inspection(allow_everything(config), inputs, beam_args)
    nodes = _run(config, inputs, pipeline, console)
    console.show_activity("writing the report")
    settings = make_report_settings(
        config, inputs, training="", champion="", code="", flags=["--inspect"]
    )
    page = write_data_report(_connection(config), settings, _reports(config), is_inspection=True)
    return describe_inspection(config, nodes, inputs.classes, str(page))


def _connection(config: Config) -> Any:
    return sqlite_metadata_connection_config(str(metadata_file(state_directory(config))))


def _reports(config: Config) -> Path:
    return state_directory(config) / "reports"


def _run(
    config: Config,
    inputs: Inputs,
    pipeline: Pipeline,
    console: Console,
    options: RunOptions | None = None,
) -> dict[str, NodeRun]:
    """Runs all or some nodes of the pipeline; returns the nodes that ran."""
    # `pipeline_runner.py` has already claimed a local pipeline root, with `claim_root`, before it
    # imported TFX.
    if "://" in config.pipeline_root:
        claim(config)
    connection = _connection(config)
    pipeline.metadata_connection_config = connection
    try:
        with (
            serving_process_ahead() as start_serving_process,
            report_nodes_to(
                console,
                lambda node: latest_run(connection)[node].cached,
                _count_images(config, inputs.found),
            ),
            check_artifacts(
                config.pipeline_root,
                # ServingCheck, which runs after Evaluator, needs a serving process. To save time,
                # the serving process starts together with Evaluator, and imports TensorFlow while
                # Evaluator runs.
                lambda node: start_serving_process() if node == "Evaluator" else None,
            ),
            quick_pipelines(),
        ):
            LocalDagRunner().run(pipeline, run_options=options)
    except Exception as error:
        reports = [node for node in pipeline.components if node.id == "Report"]
        if reports and options is None:
            settings = reports[0].exec_properties["settings"]
            if page := report_stopped_run(connection, settings, _reports(config), error):
                console.keep_line(f"report: {page}")
        raise
    return latest_run(connection)


def _count_images(config: Config, found: FoundImages) -> dict[str, int]:
    """Returns the number of images that each node reads if no image is quarantined."""
    images = {
        "ImageExampleGen": found.total,
        "StatisticsGen": found.total,
        "DataCheck": found.total,
        "Evaluator": found.splits["test"],
    }
    if config.tune == "head":
        images["Transform"] = found.splits["train"] + found.splits["validation"]
    return images
