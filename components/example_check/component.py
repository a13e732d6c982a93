"""ExampleCheck, which stops a run if the examples have anomalies."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.example_check.executor import EXAMPLES_KEY, Executor
from components.property_value import PropertyValue


class ExampleCheckSpec(types.ComponentSpec):
    """Execution properties, inputs and output of `ExampleCheck`."""

    PARAMETERS = {  # noqa: RUF012 (TFX defines the specs of components in this way)
        "classes": ExecutionParameter(type=str),  # JSON
        "max_quarantined": ExecutionParameter(type=float),
        "champion_counts": ExecutionParameter(type=str),  # JSON
        "max_drift": ExecutionParameter(type=float),
        "allow_anomalies": ExecutionParameter(type=int),
        "library_fingerprint": ExecutionParameter(type=str),
        "code_fingerprint": ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples),
        standard_component_specs.STATISTICS_KEY: ChannelParameter(
            type=standard_artifacts.ExampleStatistics
        ),
        standard_component_specs.SCHEMA_KEY: ChannelParameter(type=standard_artifacts.Schema),
    }
    OUTPUTS = {  # noqa: RUF012
        standard_component_specs.ANOMALIES_KEY: ChannelParameter(
            type=standard_artifacts.ExampleAnomalies
        )
    }


class ExampleCheck(base_component.BaseComponent):
    """Does what TFX's ExampleValidator does, and fails if it finds an anomaly.

    The node also fails in three other cases: too many images are quarantined, most images with 16
    bits per channel have values of at most 12 bits, or the class balance differs too much from that
    of the champion model's training data.

    The checks of ExampleCheck are not part of ImageExampleGen, because ImageExampleGen would then
    have to read all images again whenever the limit of a check changes.
    """

    SPEC_CLASS = ExampleCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        statistics: types.BaseChannel,
        schema: types.BaseChannel,
        classes: PropertyValue,
        max_quarantined: float,
        champion_counts: PropertyValue,
        max_drift: float,
        allow_anomalies: bool,
        library_fingerprint: PropertyValue,
        code_fingerprint: PropertyValue,
    ) -> None:
        """
        Args:
          examples: ImageExampleGen's examples; their artifact also contains `counts.json`.
          statistics: the statistics of the examples.
          schema: the schema of the examples.
          classes: the class names, as JSON.
          max_quarantined: the largest allowed share of quarantined images, from 0 to 1; if the
            share is larger, the run stops.
          champion_counts: a JSON list with the number of images of each class on which the champion
            model was trained. The list is empty if the champion was recorded without its numbers of
            images. The JSON value is null if there is no champion, or if the champion was trained
            on the data of this run.
          max_drift: the largest allowed Jensen-Shannon divergence between the class balance of this
            run's training data and that of the champion's training data.
          allow_anomalies: whether the run continues even if there are anomalies.
          library_fingerprint: the fingerprint of the installed versions of TFX and TFDV.
          code_fingerprint: the fingerprint of the executor's code.
        """
        spec = ExampleCheckSpec(
            examples=examples,
            statistics=statistics,
            schema=schema,
            classes=classes,
            max_quarantined=max_quarantined,
            champion_counts=champion_counts,
            max_drift=max_drift,
            allow_anomalies=int(allow_anomalies),
            library_fingerprint=library_fingerprint,
            code_fingerprint=code_fingerprint,
            anomalies=types.Channel(type=standard_artifacts.ExampleAnomalies),
        )
        super().__init__(spec=spec)
