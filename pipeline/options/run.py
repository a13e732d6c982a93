"""The options that say where and how a pipeline runs."""

import dataclasses
from typing import Literal

from common.options import option
from pipeline.options.cluster import COMPILED_RUNNERS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """The options that say where and how a pipeline runs."""

    runner: Literal["local", "beam", "kubeflow", "vertex"] = option(
        "run on this machine (local), with a Beam engine (beam; see --beam-arg), on Kubeflow "
        "Pipelines, or on Vertex AI",
        default="local",
    )
    beam_args: tuple[str, ...] = option("a flag for Beam; may be repeated", default=())
    verbose: bool = option("show logs and tracebacks on the screen", default=False)
    track: Literal["off", "mlflow"] = option(
        "log parameters, metrics, report and model of the finished run to the MLflow server that "
        "MLFLOW_TRACKING_URI names",
        default="off",
    )
    fail_on_unblessed: bool = option(
        "let a run on a cluster fail if its model is not blessed, so that alerts are sent",
        default=False,
    )

    @property
    def is_compiled(self) -> bool:
        """Whether the pipeline is compiled to run in containers on a cluster."""
        return self.runner in COMPILED_RUNNERS
