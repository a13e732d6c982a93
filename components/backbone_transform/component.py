"""BackboneTransform: TFX's Transform with an additional input artifact, the backbone."""

from collections.abc import Sequence

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.proto import transform_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter

from components.backbone_transform.executor import BACKBONE_KEY, Executor
from components.property_value import PropertyValue


class BackboneTransformSpec(standard_component_specs.TransformSpec):
    """The spec of TFX's Transform with an additional input artifact, the backbone."""

    INPUTS = standard_component_specs.TransformSpec.INPUTS | {
        BACKBONE_KEY: ChannelParameter(type=standard_artifacts.Model),
    }


class BackboneTransform(base_beam_component.BaseBeamComponent):
    """TFX's Transform with the backbone as an additional input artifact.

    Because the backbone is an input artifact, ML Metadata records it in the lineage, and the node
    runs again if the backbone changes. The executor passes the path of the backbone to
    `preprocessing_fn`, in the field `backbone` of `TransformSettings`. Unlike TFX's Transform, this
    node writes no statistics and no analyzer cache.
    """

    SPEC_CLASS = BackboneTransformSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        schema: types.BaseChannel,
        backbone: types.BaseChannel,
        preprocessing_fn: str,
        analyze: Sequence[str],
        materialize: Sequence[str],
        custom_config: PropertyValue,
    ) -> None:
        """
        Args:
          examples: channel of one Examples artifact.
          schema: channel of one Schema artifact.
          backbone: channel of one Model artifact, whose directory is a SavedModel.
          preprocessing_fn: import path of the preprocessing function.
          analyze: the splits that Transform analyses.
          materialize: the splits whose transformed examples are written; can be empty.
          custom_config: `trainer.transform_settings.TransformSettings`, as JSON.
        """
        outputs = {"transform_graph": types.Channel(type=standard_artifacts.TransformGraph)}
        if materialize:
            outputs["transformed_examples"] = types.Channel(type=standard_artifacts.Examples)
        spec = BackboneTransformSpec(
            examples=examples,
            schema=schema,
            backbone=backbone,
            preprocessing_fn=preprocessing_fn,
            splits_config=transform_pb2.SplitsConfig(analyze=analyze, transform=materialize),
            custom_config=custom_config,
            force_tf_compat_v1=0,
            disable_statistics=1,
            **outputs,
        )
        super().__init__(spec=spec)
