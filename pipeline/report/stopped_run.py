"""Writes the HTML report of a run that stops before the node Report, or of an inspection."""

import logging
import time
from pathlib import Path
from typing import Any

from common.custom_config import from_custom_config
from common.errors import InputError, one_line
from components.report.read_artifacts import read_contents
from components.report.settings import ReportSettings
from components.report.write import write_report
from pipeline.report.lineage import latest_run, latest_run_id

# The inputs of the node Report whose name differs from the key of the output that they read, in a
# dictionary by the output's node and key.
_INPUTS = {("ServingCheck", "blessing"): "infra_blessing"}


def report_stopped_run(
    connection: Any, settings: str, directory: Path, error: Exception
) -> Path | None:
    """Writes the HTML report of a run that ended with an error.

    If this function fails, it only logs its error, so that the user still sees the error of the
    run.

    Args:
      connection: the ML Metadata ConnectionConfig of the metadata store.
      settings: `components.report.settings.ReportSettings`, as JSON.
      directory: the directory in which to write a new HTML file.
      error: the error that ended the run.

    Returns:
      The path of the HTML file; None if the run ended before it read images, or if the report
      could not be written.
    """
    try:
        # An exception that is not an InputError may have a very long message, so `one_line`
        # shortens the message.
        stopped = str(error) if isinstance(error, InputError) else one_line(error)
        return write_data_report(
            connection, from_custom_config(ReportSettings, settings), directory, stopped=stopped
        )
    except Exception:
        logging.getLogger(__name__).exception("The report of this run could not be written.")
        return None


def write_data_report(
    connection: Any,
    settings: ReportSettings,
    directory: Path,
    *,
    stopped: str = "",
    is_inspection: bool = False,
) -> Path | None:
    """Writes the HTML report of the newest run in a metadata store, without the node Report.

    Args:
      connection: the ML Metadata ConnectionConfig of the metadata store.
      settings: the settings of the report.
      directory: the directory in which to write a new HTML file.
      stopped: the reason why the run stopped early; empty if the run did not stop early.
      is_inspection: whether the run is an inspection, whose report also shows some images of each
        class.

    Returns:
      The path of the HTML file; None if the run ended before it read images.
    """
    run = latest_run(connection)
    artifacts = {
        _INPUTS.get((name, key), key): artifacts[0]
        for name, node in run.items()
        for key, artifacts in node.outputs.items()
    }
    if "examples" not in artifacts:
        return None
    page = directory / time.strftime("%Y-%m-%dT%H-%M-%S.html")
    contents = read_contents(
        settings,
        artifacts,
        run=latest_run_id(connection),
        stopped=stopped,
        is_inspection=is_inspection,
    )
    write_report(contents, str(page))
    return page
