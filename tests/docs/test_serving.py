"""Tests of the requests and manifests in docs/serving.md.

The tests run tests/serving_stand_in.py instead of TensorFlow Serving, whose binary is not on PyPI.
The tests build requests with the commands in docs/serving.md, and parse the requests with the
protos of the package tensorflow-serving-api.
"""

import json
import re
import subprocess
import urllib.request

import pytest
import yaml
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from components.model_pusher.server_config import write_server_config
from tests.components.model_pusher.serving_models import export_classifier
from tests.conftest import encode, gradient
from tests.serving_stand_in import serve
from tests.signatures import example_of

# The flags in docs/serving.md; tensorflow_serving/model_servers/main.cc defines all of them.
FLAGS = {
    "--allow_version_labels_for_unavailable_models",
    "--batching_parameters_file",
    "--enable_batching",
    "--enable_model_warmup",
    "--model_config_file",
    "--model_config_file_poll_wait_seconds",
}


@pytest.fixture(scope="module")
def page(project):
    """Returns the text of docs/serving.md."""
    return (project / "docs" / "serving.md").read_text()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Serves a classifier with the name `flowers`."""
    with serve("flowers", export_classifier(tmp_path_factory.mktemp("model"))) as server:
        yield server


@pytest.fixture
def folder(tmp_path):
    """Returns a folder with the files that the requests in docs/serving.md send."""
    image = encode(gradient(), "JPEG")
    (tmp_path / "daisy.jpg").write_bytes(image)
    (tmp_path / "daisy.example").write_bytes(example_of(image))
    return tmp_path


def test_the_requests_by_http_are_answered(page, server, folder):
    requests = re.findall(r"^(echo .*?) \|\n +curl -d @- localhost:8501(\S+)$", page, re.MULTILINE)
    assert len(requests) == 2
    for command, path in requests:
        body = subprocess.run(
            ["bash", "-c", command], cwd=folder, capture_output=True, check=True
        ).stdout
        url = f"http://127.0.0.1:{server.http_port}{path}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, body) as response:
            (answer,) = json.load(response)["predictions"]
        assert answer["valid"] is True
        assert answer["label"] in ("daisy", "roses", "tulips")
        assert len(answer["probabilities"]) == 3


def test_the_request_by_grpc_is_answered(page, server, folder, monkeypatch, capsys):
    (program,) = (
        block
        for block in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        if "grpc" in block
    )
    monkeypatch.chdir(folder)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert program.count("localhost:8500") == 1
    exec(program.replace("localhost:8500", f"127.0.0.1:{server.grpc_port}"), {})
    assert re.fullmatch(r"\[b'(daisy|roses|tulips)'\] \[ True\]\n", capsys.readouterr().out)


def test_the_flags_are_the_servers(page):
    assert set(re.findall(r"(?<![\w-])(--[a-z]+_[a-z_]+)", page)) == FLAGS


def test_the_labels_are_a_configuration(page, tmp_path):
    (labels,) = re.findall(r"^(model_version_policy .*?)^```", page, re.MULTILINE | re.DOTALL)
    write_server_config(str(tmp_path), name="flowers", max_batch=32)
    own = "model_version_policy { latest { num_versions: 1 } }"
    text = (tmp_path / "models.config").read_text()
    assert text.count(own) == 1
    parsed = text_format.Parse(
        text.replace(own, labels), model_server_config_pb2.ModelServerConfig()
    )
    (config,) = parsed.model_config_list.config
    versions = set(config.model_version_policy.specific.versions)
    assert set(config.version_labels.values()) == versions
    assert set(config.version_labels) == {"stable", "canary"}


def test_the_manifest_fits_the_configuration_that_a_push_writes(page, tmp_path):
    (manifest,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    deployment, service = yaml.safe_load_all(manifest)
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    write_server_config(str(tmp_path), name="flowers", max_batch=32)
    (mount,) = container["volumeMounts"]
    assert f'base_path: "{mount["mountPath"]}"' in (tmp_path / "models.config").read_text()
    for argument in container["args"]:
        flag, _, value = argument.partition("=")
        assert flag in FLAGS
        if value.startswith("/"):
            directory, _, name = value.rpartition("/")
            assert directory == mount["mountPath"]
            assert (tmp_path / name).is_file()
    assert {v["name"] for v in pod["spec"]["volumes"]} == {mount["name"]}
    labels = pod["metadata"]["labels"]
    assert labels == deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 8500, "http": 8501}
    assert {port["targetPort"]: port["port"] for port in service["spec"]["ports"]} == ports
    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": "/v1/models/flowers", "port": "http"}
