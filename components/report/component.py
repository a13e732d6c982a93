"""Report: writes an HTML page and a model card about a run, whether or not a model is blessed."""

from collections.abc import Mapping

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.property_value import PropertyValue
from components.report.artifact import HtmlReport
from components.report.executor import REPORT, SETTINGS, Executor

# The inputs of Report. Each input receives an output of another node, and most inputs have the same
# name as that output.
INPUTS = {
    "examples": standard_artifacts.Examples,
    "statistics": standard_artifacts.ExampleStatistics,
    "schema": standard_artifacts.Schema,
    "anomalies": standard_artifacts.ExampleAnomalies,
    "transform_graph": standard_artifacts.TransformGraph,
    "model": standard_artifacts.Model,
    "model_run": standard_artifacts.ModelRun,
    "evaluation": standard_artifacts.ModelEvaluation,
    "blessing": standard_artifacts.ModelBlessing,
    # Evaluator and ServingCheck both have an output named `blessing`, so the input that reads
    # ServingCheck's output is called `infra_blessing`, as in TFX's Pusher.
    "infra_blessing": standard_artifacts.InfraBlessing,
    "pushed_model": standard_artifacts.PushedModel,
}


class ReportSpec(types.ComponentSpec):
    """The inputs, the execution properties and the output of `Report`."""

    PARAMETERS = {  # noqa: RUF012 (TFX defines specs in this way)
        SETTINGS: ExecutionParameter(type=str),  # JSON
        "code_fingerprint": ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        **{name: ChannelParameter(type=kind) for name, kind in INPUTS.items()},
        # Optional, because DataCheck does not run with `--data-check off`.
        "data_issues": ChannelParameter(type=standard_artifacts.ExampleAnomalies, optional=True),
    }
    OUTPUTS = {REPORT: ChannelParameter(type=HtmlReport)}  # noqa: RUF012


class Report(base_component.BaseComponent):
    """Writes `report.html`, a page that loads no other file, and the model card `README.md`.

    Report is the last node of the pipeline, because it shows the result of Pusher.
    """

    SPEC_CLASS = ReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        artifacts: Mapping[str, types.BaseChannel],
        settings: PropertyValue,
        code_fingerprint: PropertyValue,
    ) -> None:
        """
        Args:
          artifacts: the channels of the artifacts that `INPUTS` lists, and, if DataCheck runs, the
            channel of DataCheck's output `data_issues`.
          settings: `components.report.settings.ReportSettings`, as JSON.
          code_fingerprint: fingerprint of the executor's code.
        """
        spec = ReportSpec(
            **artifacts,
            settings=settings,
            code_fingerprint=code_fingerprint,
            report=types.Channel(type=HtmlReport),
        )
        super().__init__(spec=spec)
