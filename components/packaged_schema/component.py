"""PackagedSchema: a node that writes a reviewed schema, from this project or from the user."""

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import standard_artifacts

from common.files import write_whole


@component
def PackagedSchema(  # noqa: N802 (a component function is named like a class)
    schema: OutputArtifact[standard_artifacts.Schema],
    content: Parameter[str],
    code_fingerprint: Parameter[str],
) -> None:
    """Writes a schema into a Schema artifact.

    This node replaces TFX's ImportSchemaGen, which reads the schema from a file that a container on
    a cluster does not have. The cache key of ImportSchemaGen does not depend on the content of the
    schema file, so TFX would take the old schema from the cache after the file has changed. The
    cache key of PackagedSchema contains the whole schema.

    Args:
      schema: the output artifact.
      content: the schema, as a text-format `tensorflow.metadata.v0.Schema`.
      code_fingerprint: fingerprint of this function's code.
    """
    fileio.makedirs(schema.uri)
    write_whole(f"{schema.uri}/schema.pbtxt", content)
