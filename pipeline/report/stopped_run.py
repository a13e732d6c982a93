"""Writes the report of a stopped run or of an inspection, in which the node Report does not run."""

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

# The inputs of Report whose names differ from the names of the outputs, by node and output.
_INPUTS = {("ServingCheck", "blessing"): "infra_blessing"}


def report_stopped_run(
    connection: Any, settings: str, directory: Path, error: Exception
) -> Path | None:
    """Writes the report of a run that an error has ended.

    A failure of the report itself is only logged, so that it does not hide the error of the run.

    Args:
      connection: the ML Metadata ConnectionConfig of the metadata store.
      settings: `components.report.settings.ReportSettings`, as JSON.
      directory: the directory in which the page is written, as a new file.
      error: the error that ended the run.

    Returns:
      The page; None if the run had read no images, or if the report failed.
    """
    try:
        # The message of an InputError is a sentence for the user; other messages can be pages long.
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
    """Writes a report of the newest run in a metadata store, without the node Report.

    Args:
      connection: the ML Metadata ConnectionConfig of the metadata store.
      settings: the options of the run.
      directory: the directory in which the page is written, as a new file.
      stopped: the reason why the run stopped early; empty if it ran to its end.
      is_inspection: whether the run is an inspection; the page of an inspection shows some images
        of each class.

    Returns:
      The page; None if the run had read no images.
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
