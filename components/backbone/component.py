"""Backbone: whatever `--model` names, as a Model artifact."""

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.utils import io_utils

from backbones.resolve import cache_dir, resolve


@component
def Backbone(  # noqa: N802, PLR0917 (a component is named like a class, and called by name)
    backbone: OutputArtifact[standard_artifacts.Model],
    model: Parameter[str],
    weights: Parameter[str],
    precision: Parameter[str],
    trusted: Parameter[int],
    fingerprint: Parameter[str],
) -> None:
    """Finds, downloads, makes or converts a backbone, and copies its SavedModel into the artifact.

    For runs whose nodes, or whose Beam workers, may have no more than the pipeline root in common:
    they take it from there rather than find it anew.

    Args:
      backbone: the artifact; the SavedModel lies directly in it.
      model: what `backbones.resolve.resolve` takes.
      weights: likewise.
      precision: likewise.
      trusted: likewise, 0 or 1.
      fingerprint: of the backbone's content, for the cache key.
    """
    del fingerprint
    directory = resolve(
        model, weights=weights, cache=cache_dir(), precision=precision, trusted=bool(trusted)
    )
    io_utils.copy_dir(str(directory), backbone.uri)
