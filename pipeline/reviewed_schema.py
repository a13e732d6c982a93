"""Reads the schema that a run is given. Imports no TensorFlow until a bucket is named."""

from importlib import resources

from common.errors import InputError
from common.files import read_bytes

# What ImageExampleGen writes, as in the curated schemas.
_FILE_NAME = """
# The source's own name or id of the image.
feature {
  name: "file_name"
  type: BYTES
  presence { min_fraction: 1.0 min_count: 1 }
  shape {}
}
"""
_REQUIRED = ("image", "label")


def read_curated_schema(name: str) -> str:
    """Returns the text of `schemas/<name>.pbtxt`."""
    return resources.files("schemas").joinpath(f"{name}.pbtxt").read_text(encoding="utf-8")


def read_schema(path: str) -> str:
    """Returns the text of a reviewed schema.

    A schema that --write-schema wrote has no feature `file_name`, since SchemaGen would infer the
    list of all names. It is added here.

    Args:
      path: path or gs:// URI of a text-format `tensorflow.metadata.v0.Schema`.

    Raises:
      InputError: there is no such file, or it is no schema of images and labels.
    """
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    expected = "expected a schema that --write-schema wrote, or one like it"
    try:
        content = read_bytes(path)
    except OSError as error:
        raise InputError(f"--schema {path}: {error.strerror}; {expected}") from error
    if content is None:
        raise InputError(f"--schema {path}: no such file; {expected}")
    try:
        text = content.decode()
        schema = text_format.Parse(text, schema_pb2.Schema())
    except (UnicodeDecodeError, text_format.ParseError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"--schema {path}: is no schema ({reason}); {expected}") from error
    names = [feature.name for feature in schema.feature]
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        raise InputError(
            f"--schema {path}: found the features {', '.join(names) or '(none)'}; expected "
            f"{', '.join(missing)} as well"
        )
    return text if "file_name" in names else f"{text.rstrip()}{_FILE_NAME}"
