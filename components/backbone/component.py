"""Backbone, a node that copies the model of `--model` into a Model artifact."""

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.utils import io_utils

from backbones.resolve import cache_dir, resolve


@component
def Backbone(  # noqa: N802, PLR0917 (named like a class, and called with keyword arguments)
    backbone: OutputArtifact[standard_artifacts.Model],
    model: Parameter[str],
    weights: Parameter[str],
    precision: Parameter[str],
    trusted: Parameter[int],
    fingerprint: Parameter[str],
) -> None:
    """Finds, downloads or converts a backbone, and copies its SavedModel into a Model artifact.

    A run needs this node if its other nodes or its Beam workers run on machines that share no disk,
    only the pipeline root. The other nodes and the Beam workers then read the backbone from the
    Model artifact, which is in the pipeline root.

    Args:
      backbone: the output artifact; the SavedModel is copied into its directory.
      model: the value of `--model`.
      weights: the value of `--weights`.
      precision: the value of `--precision`.
      trusted: 1 with `--trust-model`, otherwise 0.
      fingerprint: a fingerprint of the backbone's content, so that TFX runs the node again if the
        content changes.
    """
    del fingerprint
    directory = resolve(
        model, weights=weights, cache=cache_dir(), precision=precision, trusted=bool(trusted)
    )
    io_utils.copy_dir(str(directory), backbone.uri)
