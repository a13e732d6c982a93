"""Tests of the curated schemas in the folder `schemas`."""

from importlib import resources

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.datasets import DATASETS

CLASSES = {"tf_flowers": 5, "oxford_iiit_pet": 37, "digits": 10}


@pytest.mark.parametrize("name", DATASETS)
def test_schemas_describe_the_examples(name):
    text = resources.files("schemas").joinpath(f"{name}.pbtxt").read_text()
    schema = text_format.Parse(text, schema_pb2.Schema())
    features = {feature.name: feature for feature in schema.feature}
    assert set(features) == {"image", "label", "file_name"}
    assert features["image"].HasField("image_domain")
    assert features["label"].int_domain.max == CLASSES[name] - 1
