"""The graph that Transform wrote, as Trainer and the exported model run it."""

import os
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import tf2_utils

from trainer.preprocessing import IMAGE


class TransformGraph(tf.Module):
    """Runs the transform graph on encoded images.

    `tft.TransformFeaturesLayer` would do the same, but hides the objects that `preprocessing_fn`
    tracked, and the exported model runs those of `.frozen_backbone`.
    """

    def __init__(self, directory: str) -> None:
        """
        Args:
          directory: of a TransformGraph artifact.
        """
        super().__init__()
        self._output = tft.TFTransformOutput(directory)
        self._loaded = tf.saved_model.load(
            os.path.join(directory, tft.TFTransformOutput.TRANSFORM_FN_DIR)
        )

    @property
    def frozen_backbone(self) -> Any:
        """The restored `trainer.preprocessing.FrozenBackbone`, where features are made.

        It makes the same features as the graph, by the same function, but of all images at once:
        the graph's loop over chunks is for Beam, which hands over a thousand images, and cannot be
        run in a Session, as servers do.
        """
        return self._loaded.frozen_backbone

    @property
    def feature_spec(self) -> dict[str, tf.io.FixedLenFeature]:
        """How the transformed examples are parsed."""
        return self._output.transformed_feature_spec()

    def __call__(self, encoded: tf.Tensor, output: str) -> tf.Tensor:
        """What the graph makes of encoded images.

        Args:
          encoded: string [B].
          output: `PIXELS` or `FEATURES` of `trainer.preprocessing`.
        """
        function = self._loaded.transform_fn
        specs = tf2_utils.get_structured_inputs_from_func_graph(function.graph)
        others = [name for name in specs if name != IMAGE]
        inputs = dict(tf2_utils.supply_missing_inputs(specs, tf.shape(encoded)[0], others))
        inputs[IMAGE] = tf.reshape(encoded, [-1, *specs[IMAGE].shape[1:]])
        return function(*tf.nest.flatten(inputs, expand_composites=True))[output]
