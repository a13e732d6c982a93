"""PackagedSchema: a curated schema that is installed with this project."""

from importlib import resources

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import standard_artifacts

from common.files import write_whole


@component
def PackagedSchema(  # noqa: N802 (a component is named like a class)
    schema: OutputArtifact[standard_artifacts.Schema],
    name: Parameter[str],
    fingerprint: Parameter[str],
    code_fingerprint: Parameter[str],
) -> None:
    """Copies `schemas/<name>.pbtxt` into a Schema artifact.

    TFX's ImportSchemaGen reads a path, which a container does not have, and its cache key does not
    change with the content of the file. Here the fingerprint of the file is part of the cache key.

    Args:
      schema: the artifact.
      name: name of the schema.
      fingerprint: fingerprint of the schema's file.
      code_fingerprint: fingerprint of this function's code.
    """
    content = resources.files("schemas").joinpath(f"{name}.pbtxt").read_text(encoding="utf-8")
    fileio.makedirs(schema.uri)
    write_whole(f"{schema.uri}/schema.pbtxt", content)
