"""PackagedSchema: a node for a reviewed schema, curated in this project or given by the user."""

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

    TFX's ImportSchemaGen is not used: it reads a file, which a container does not have, and its
    cache key does not change with the content of the file. In this node, the content of the schema
    is the cache key.

    Args:
      schema: the artifact.
      content: the schema, as a text-format `tensorflow.metadata.v0.Schema`.
      code_fingerprint: fingerprint of this function's code.
    """
    fileio.makedirs(schema.uri)
    write_whole(f"{schema.uri}/schema.pbtxt", content)
