"""Loads and runs the graph that Transform wrote, in Trainer and Tuner.

If only the head is tuned, the exported model contains the backbone from this graph.
"""

import os
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import tf2_utils

from trainer.preprocessing import IMAGE


class TransformGraph(tf.Module):
    """Runs the transform graph on encoded images.

    `tft.TransformFeaturesLayer` also runs the transform graph, but gives no access to objects that
    `preprocessing_fn` tracked, such as `frozen_backbone`, which the exported model needs.
    """

    def __init__(self, directory: str) -> None:
        """
        Args:
          directory: the directory of a TransformGraph artifact.
        """
        super().__init__()
        self._output = tft.TFTransformOutput(directory)
        self._loaded = tf.saved_model.load(
            os.path.join(directory, tft.TFTransformOutput.TRANSFORM_FN_DIR)
        )

    @property
    def frozen_backbone(self) -> Any:
        """The backbone of the graph, a `trainer.preprocessing.FrozenBackbone`.

        The graph contains a backbone only if Transform computed features (`--tune head`). The graph
        calls the backbone in a loop over chunks, because Beam passes up to 1,000 images at a time.
        The loop cannot run in a Session, in which servers run models, so the exported model calls
        the backbone once for all images. The features are the same with and without the loop.
        """
        return self._loaded.frozen_backbone

    @property
    def feature_spec(self) -> dict[str, tf.io.FixedLenFeature]:
        """The feature specification for parsing transformed examples."""
        return self._output.transformed_feature_spec()

    def __call__(self, encoded: tf.Tensor, output: str) -> tf.Tensor:
        """Returns one output of the graph for encoded images.

        Args:
          encoded: encoded images, string [B].
          output: the name of the output, `PIXELS` or `FEATURES`, which are constants of
            `trainer.preprocessing`.
        """
        function = self._loaded.transform_fn
        specs = tf2_utils.get_structured_inputs_from_func_graph(function.graph)
        others = [name for name in specs if name != IMAGE]
        inputs = dict(tf2_utils.supply_missing_inputs(specs, tf.shape(encoded)[0], others))
        inputs[IMAGE] = tf.reshape(encoded, [-1, *specs[IMAGE].shape[1:]])
        return function(*tf.nest.flatten(inputs, expand_composites=True))[output]
