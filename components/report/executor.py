"""Executor of `Report`."""

from typing import Any

from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from common.custom_config import from_custom_config
from components.report.artifact_files import page_of
from components.report.read_artifacts import read_contents
from components.report.settings import ReportSettings
from components.report.write import write_report

SETTINGS, REPORT = "settings", "report"


class Executor(base_executor.BaseExecutor):
    """Executor of `Report`."""

    def Do(  # noqa: N802 (TFX requires this name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the page and the model card.

        Args:
          input_dict: the artifacts that `components.report.component.INPUTS` lists.
          output_dict: `report`, one HtmlReport artifact.
          exec_properties: the properties that `ReportSpec` lists.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        settings = from_custom_config(ReportSettings, exec_properties[SETTINGS])
        report = artifact_utils.get_single_instance(output_dict[REPORT])
        page = page_of(report.uri)
        contents = read_contents(
            settings,
            {key: artifacts[0] for key, artifacts in input_dict.items() if artifacts},
            run=(self._context.pipeline_run_id if self._context else None) or report.uri,
        )
        write_report(contents, page)
        logging.info("The report of this run is %s", page)
