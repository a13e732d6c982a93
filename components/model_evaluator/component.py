"""ModelEvaluator: TFX's Evaluator, which finds the last blessed model without a Resolver node."""

from collections.abc import Sequence

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ExecutionParameter
from tfx.utils import json_utils

from components.model_evaluator.executor import (
    CHAMPION,
    DATA,
    GATE,
    HEAT_MAP_SECONDS,
    RECORDS,
    TRAINING,
    Executor,
)
from components.property_value import PropertyValue


class ModelEvaluatorSpec(standard_component_specs.EvaluatorSpec):
    """The spec of TFX's Evaluator, with the execution properties of `ModelEvaluator`."""

    PARAMETERS = standard_component_specs.EvaluatorSpec.PARAMETERS | {
        CHAMPION: ExecutionParameter(type=str),
        RECORDS: ExecutionParameter(type=str),
        TRAINING: ExecutionParameter(type=str),
        DATA: ExecutionParameter(type=str),
        GATE: ExecutionParameter(type=str),
        HEAT_MAP_SECONDS: ExecutionParameter(type=float),
        "code_fingerprint": ExecutionParameter(type=str),
    }


class ModelEvaluator(base_beam_component.BaseBeamComponent):
    """TFX's Evaluator, which compares the new model with the last blessed model.

    In TFX, a Resolver node provides the last blessed model, but Kubeflow Pipelines has no Resolver.
    In place of a Resolver, `ModelEvaluator` has the execution property `champion`, the URI of the
    record of the last blessed model. The property `champion` is part of the cache key, so
    ModelEvaluator runs again after another model has been blessed.
    """

    SPEC_CLASS = ModelEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        example_splits: Sequence[str],
        model: types.BaseChannel,
        schema: types.BaseChannel,
        eval_config: PropertyValue,
        champion: PropertyValue,
        records: PropertyValue,
        training: PropertyValue,
        data: PropertyValue,
        gate: PropertyValue,
        heat_map_seconds: float,
        code_fingerprint: PropertyValue,
    ) -> None:
        """
        Args:
          examples: channel of one Examples artifact.
          example_splits: the splits on which the model is evaluated.
          model: channel of one Model artifact.
          schema: channel of one Schema artifact.
          eval_config: TFMA's EvalConfig, as JSON.
          champion: URI of the record of the champion; `components.model_evaluator.records.NONE` if
            there is no champion. The champion is the last blessed model whose training is not
            `training`.
          records: directory with a record of each blessed model (see
            `components.model_evaluator.records`).
          training: fingerprint of the training that made the model.
          data: fingerprint of the examples; a part of the record if the model is blessed.
          gate: `components.model_evaluator.settings.GateSettings`, as JSON.
          heat_map_seconds: time limit for the heat maps, in seconds; 0 for no heat maps.
          code_fingerprint: fingerprint of the executor's code.
        """
        spec = ModelEvaluatorSpec(
            examples=examples,
            example_splits=json_utils.dumps(list(example_splits)),
            model=model,
            schema=schema,
            eval_config=eval_config,
            champion=champion,
            records=records,
            training=training,
            data=data,
            gate=gate,
            heat_map_seconds=heat_map_seconds,
            code_fingerprint=code_fingerprint,
            fairness_indicator_thresholds="null",
            evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
            blessing=types.Channel(type=standard_artifacts.ModelBlessing),
        )
        super().__init__(spec=spec)
