"""Tests of the warm-up requests and configuration files that Pusher writes."""

import PIL.Image
import pytest
import tensorflow as tf
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,  # noqa: F401 (registers Int64Value)
)
from tensorflow_serving.config import model_server_config_pb2

from components.model_pusher.publish import hold_serving_directory, publish
from components.model_pusher.server_config import largest_batch, write_server_config
from components.model_pusher.serving_directory import identity
from tests.components.model_pusher.serving_models import export_classifier, export_model
from tests.serving_stand_in import Server, read_warm_up

LARGEST = 3


@pytest.fixture(scope="module")
def pushed(tmp_path_factory):
    """Pushes a model; returns its directory and the directory of the pushed version."""
    folder = tmp_path_factory.mktemp("pushed")
    model = export_classifier(folder / "model")
    with hold_serving_directory(str(folder / "serving")):
        version = publish(model, str(folder / "serving"), max_batch=LARGEST)
    return folder / "model", folder / "serving" / version.rpartition("/")[2]


def test_the_warm_up_requests_run_as_the_server_replays_them(pushed):
    server = Server("flowers", pushed[1])
    sizes = {}
    for request in read_warm_up(pushed[1]):
        outputs = server.run(request).outputs
        valid = tf.make_ndarray(outputs["valid"])
        assert valid.all()
        sizes.setdefault(request.model_spec.signature_name, []).append(len(valid))
    assert sizes == {
        "from_examples": [LARGEST, 1],
        "from_pixels": [LARGEST, 1],
        "serving_default": [LARGEST, 1, 1, 1, 1, 1],
    }


def test_the_warm_up_images_have_every_format_and_the_size_of_the_backbone(pushed, tmp_path):
    formats = []
    for request in read_warm_up(pushed[1]):
        for tensor in (v for name, v in request.inputs.items() if name == "image_bytes"):
            file = tmp_path / "image"
            file.write_bytes(tensor.string_val[0])
            with PIL.Image.open(file) as image:
                assert image.size == (24, 16)
                formats.append(image.format)
    assert formats == ["JPEG", "BMP", "GIF", "PNG", "WEBP", "JPEG"]


def test_the_version_has_the_identity_of_the_model(pushed):
    model, version = pushed
    assert identity(str(version)) == identity(str(model))
    assert not (model / "assets.extra" / "tf_serving_warmup_requests").exists()


def test_a_rollback_keeps_the_warm_up_requests(pushed, tmp_path):
    with hold_serving_directory(str(tmp_path)):
        copy = publish(str(pushed[1]), str(tmp_path), copy_of=1)
    assert read_warm_up(tmp_path / copy) == read_warm_up(pushed[1])


def test_a_model_with_other_signatures_gets_no_warm_up_requests(tmp_path):
    with hold_serving_directory(str(tmp_path / "serving")):
        version = publish(export_model(tmp_path / "m"), str(tmp_path / "serving"), max_batch=2)
    tf.saved_model.load(version)
    assert "tf_serving_warmup_requests" not in str(list((tmp_path / "serving").rglob("*")))


def test_the_configuration_files_are_what_the_server_reads(tmp_path):
    write_server_config(str(tmp_path), name="flowers", max_batch=7)
    models = text_format.Parse(
        (tmp_path / "models.config").read_text(), model_server_config_pb2.ModelServerConfig()
    )
    (config,) = models.model_config_list.config
    assert (config.name, config.base_path) == ("flowers", "/models/flowers")
    assert config.model_platform == "tensorflow"
    assert config.model_version_policy.latest.num_versions == 1
    batching = text_format.Parse((tmp_path / "batching.config").read_text(), batching_parameters())
    assert batching.max_batch_size.value == 7
    assert batching.num_batch_threads.value >= 1


def test_a_bucket_is_named_in_the_configuration(tmp_path):
    write_server_config(f"file://{tmp_path}", name="flowers", max_batch=7)
    assert f'base_path: "file://{tmp_path}"' in (tmp_path / "models.config").read_text()


def test_a_changed_configuration_is_kept_and_limits_the_warm_up(tmp_path):
    assert largest_batch(str(tmp_path), 32) == 32
    write_server_config(str(tmp_path), name="flowers", max_batch=32)
    file = tmp_path / "batching.config"
    changed = file.read_text().replace("{ value: 32 }", "{\n  value: 8 # a small machine\n}")
    file.write_text(changed)
    write_server_config(str(tmp_path), name="flowers", max_batch=64)
    assert file.read_text() == changed
    assert largest_batch(str(tmp_path), 64) == 8
    assert largest_batch(str(tmp_path), 2) == 2
    file.write_text("not a configuration")
    assert largest_batch(str(tmp_path), 64) == 64


def batching_parameters():
    """Makes the message BatchingParameters, which tensorflow-serving-api does not contain.

    Field names and numbers are those of
    tensorflow_serving/servables/tensorflow/session_bundle_config.proto.
    """
    fields = {
        "max_batch_size": 1,
        "batch_timeout_micros": 2,
        "max_enqueued_batches": 3,
        "num_batch_threads": 4,
    }
    file = descriptor_pb2.FileDescriptorProto(
        name="batching.proto", dependency=["google/protobuf/wrappers.proto"], syntax="proto3"
    )
    message = file.message_type.add(name="BatchingParameters")
    for name, number in fields.items():
        message.field.add(
            name=name,
            number=number,
            type=descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
            label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
            type_name=".google.protobuf.Int64Value",
        )
    pool = descriptor_pool.Default()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("BatchingParameters"))()
