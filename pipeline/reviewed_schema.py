"""Reads the schema of `--schema`, and checks the path of `--write-schema`.

This module imports TensorFlow, which takes seconds to import, only if the schema is in a bucket.
"""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from common.errors import InputError
from common.files import read_bytes
from common.text import make_printable
from pipeline.options.config import Config

# The schema of the feature `file_name`, which ImageExampleGen writes to each tf.Example. Each
# schema in `schemas/` repeats the text of `_FILE_NAME`.
_FILE_NAME = """
# The source's own name or id of the image.
feature {
  name: "file_name"
  type: BYTES
  presence { min_fraction: 1.0 min_count: 1 }
  shape {}
}
"""
_LABEL = "label"
_REQUIRED = ("image", _LABEL)


def read_curated_schema(name: str) -> str:
    """Returns the text of `schemas/<name>.pbtxt`."""
    return resources.files("schemas").joinpath(f"{name}.pbtxt").read_text(encoding="utf-8")


def read_schema(path: str) -> str:
    """Returns the text of the schema that the user gave with `--schema`.

    Schemas from `--write-schema` do not contain the feature `file_name`, because a schema that
    SchemaGen inferred from the file names could allow only these file names. If the feature
    `file_name` is missing, this function adds the feature and allows any file name.

    Args:
      path: path or gs:// URI of a text-format `tensorflow.metadata.v0.Schema`.

    Raises:
      InputError: the file cannot be read, is not a schema, or lacks the feature `image` or `label`.
    """
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    expected = "expected a schema such as --write-schema writes"
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
        raise InputError(f"--schema {path}: is not a schema ({reason}); {expected}") from error
    names = [feature.name for feature in schema.feature]
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        raise InputError(
            f"--schema {path}: found the features {', '.join(names) or '(none)'}; expected "
            f"{', '.join(missing)} as well"
        )
    return text if "file_name" in names else f"{text.rstrip()}{_FILE_NAME}"


def limit_labels(schema: str, classes: Sequence[str]) -> str:
    """Adds the range of the labels to the text of an inferred schema.

    Labels are integers, but SchemaGen writes them to the schema as a domain of strings. TFDV
    ignores a domain of strings for an integer feature, so TFDV would not report a new label as an
    anomaly. With a range, TFDV reports each label outside the range.

    Args:
      schema: the text that SchemaGen wrote.
      classes: the class names, which this function adds to the schema as a comment.
    """
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    parsed = text_format.Parse(schema, schema_pb2.Schema())
    others = [domain for domain in parsed.string_domain if domain.name != _LABEL]
    del parsed.string_domain[:]
    parsed.string_domain.extend(others)
    (label,) = (feature for feature in parsed.feature if feature.name == _LABEL)
    label.int_domain.CopyFrom(
        schema_pb2.IntDomain(name=_LABEL, min=0, max=len(classes) - 1, is_categorical=True)
    )
    names = "".join(f"#   {index} {make_printable(name)}\n" for index, name in enumerate(classes))
    return f"# The labels:\n{names}{text_format.MessageToString(parsed)}"


def check_write_schema(path: str, config: Config) -> None:
    """Checks that a run can infer a schema and write it to the file of `--write-schema`.

    Raises:
      InputError: the runner is not local, the run uses a given schema instead of an inferred
        schema, or the directory of `path` does not exist.
    """
    if config.run.is_compiled:
        raise InputError(
            f"--write-schema {path}: has no effect with --runner {config.run.runner}; expected "
            "--runner local"
        )
    if config.has_schema:
        given = f"--schema {config.schema}" if config.schema else f"--dataset {config.dataset}"
        raise InputError(
            f"--write-schema {path}: has no effect with {given}, whose schema is not inferred; "
            "expected another dataset"
        )
    if "://" not in path and not Path(path).absolute().parent.is_dir():
        raise InputError(
            f"--write-schema {path}: no such directory; expected an existing directory"
        )
