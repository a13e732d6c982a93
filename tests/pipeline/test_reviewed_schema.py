"""Tests of schemas from the user's file, and of cases in which --write-schema is refused."""

from importlib import resources

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

import pipeline_runner
from common.errors import InputError
from pipeline.reviewed_schema import limit_labels, read_curated_schema, read_schema

CURATED = resources.files("schemas").joinpath("digits.pbtxt").read_text()
INFERRED = (
    'feature {\n  name: "image"\n  type: BYTES\n}\nfeature {\n  name: "label"\n  type: INT\n}\n'
)


def test_a_schema_is_read_as_it_is(tmp_path):
    (tmp_path / "x.pbtxt").write_text(CURATED)
    assert read_schema(str(tmp_path / "x.pbtxt")) == CURATED == read_curated_schema("digits")


def test_an_inferred_schema_gets_the_file_names(tmp_path):
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    (tmp_path / "x.pbtxt").write_text(INFERRED)
    schema = text_format.Parse(read_schema(str(tmp_path / "x.pbtxt")), schema_pb2.Schema())
    assert [feature.name for feature in schema.feature] == ["image", "label", "file_name"]
    curated = text_format.Parse(CURATED, schema_pb2.Schema())
    assert schema.feature[2] == curated.feature[2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file; expected a schema such as --write-schema writes"),
        (b"feature {", r"is not a schema \(.*\); expected a schema"),
        (b"\xff", "is not a schema"),
        (b'feature { name: "image" }', "found the features image; expected label as well"),
    ],
)
def test_a_bad_schema_is_refused_before_tensorflow_is_loaded(tmp_path, capsys, content, message):
    path = tmp_path / "x.pbtxt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"--schema {path}: {message}"):
        read_schema(str(path))
    arguments = ["--model", "vit_b16_fe", "--dataset", "digits", "--schema", str(path)]
    assert pipeline_runner.main([*arguments, "--pipeline-root", str(tmp_path / "root")]) == 2
    assert f"--schema {path}: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "digits"], "has no effect with --dataset digits, whose schema is not infer"),
        (["--dataset", "tfds:x", "--schema", "y"], "has no effect with --schema y, whose schema"),
        (["--dataset", "tfds:x", "--runner", "vertex"], "expected --runner local"),
    ],
)
def test_only_inferred_schemas_are_written(tmp_path, capsys, arguments, message):
    schema = str(tmp_path / "x.pbtxt")
    arguments = [*arguments, "--pipeline-root", str(tmp_path / "root"), "--write-schema", schema]
    assert pipeline_runner.main(["--model", "vit_b16_fe", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_directory_that_is_not_there(tmp_path, capsys):
    arguments = ["--model", "vit_b16_fe", "--dataset", "tfds:x", "--write-schema"]
    assert pipeline_runner.main([*arguments, str(tmp_path / "none" / "x.pbtxt")]) == 2
    assert "no such directory" in capsys.readouterr().err


# The schema that SchemaGen infers from images of three classes.
INFERRED = """
feature { name: "image" type: BYTES presence { min_fraction: 1.0 min_count: 1 } }
feature { name: "label" type: INT presence { min_fraction: 1.0 min_count: 1 } }
string_domain { name: "label" value: "0" value: "1" value: "2" }
"""


def test_a_written_schema_limits_the_labels():
    text = limit_labels(INFERRED, ["daisy", "ro\nses", "tulips"])
    assert text.startswith("# The labels:\n#   0 daisy\n#   1 ro\\nses\n#   2 tulips\nfeature {")
    schema = text_format.Parse(text, schema_pb2.Schema())
    (label,) = [feature for feature in schema.feature if feature.name == "label"]
    assert (label.int_domain.min, label.int_domain.max) == (0, 2)
    assert label.presence.min_count == 1
    assert not schema.string_domain
