"""Tests of the directories that a pipeline on Kubeflow Pipelines may use."""

import pytest

from common.errors import InputError
from tests.pipeline.test_root import config_of

VOLUME = ["vit-state:/state"]


def kubeflow(**values):
    settings = {"run.runner": "kubeflow", "name": "flowers", "pipeline_root": "minio://b/flowers"}
    return config_of(**settings | {key.replace("__", "."): v for key, v in values.items()})


def test_everything_that_is_no_artifact_is_in_the_state_directory():
    config = kubeflow(cloud__volumes=VOLUME, cloud__state_dir="/state/flowers/")
    assert config.state_dir == "/state/flowers"
    assert config.serving_dir == "/state/flowers/serving"
    assert config.source["data_dir"] == "/state/flowers/tfds"


def test_the_state_directory_may_be_a_bucket():
    config = kubeflow(cloud__state_dir="gs://bucket/flowers/")
    assert config.state_dir == "gs://bucket/flowers"
    assert config.serving_dir == "gs://bucket/flowers/serving"


def test_the_state_directory_is_the_pipeline_root_if_steps_can_read_it():
    for runner in ("kubeflow", "vertex"):
        settings = {"run.runner": runner, "pipeline_root": "gs://bucket/flowers"}
        assert config_of(**settings).state_dir == "gs://bucket/flowers"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "--pipeline-root minio://b/flowers: found no cloud.state_dir, and this store can"),
        (
            {"pipeline_root": "s3://b/flowers", "cloud__volumes": VOLUME},
            "--pipeline-root s3://b/flowers: found no cloud.state_dir",
        ),
        (
            {"cloud__state_dir": "/state/flowers"},
            "cloud.state_dir /state/flowers: is in no mounted volume.*a volume of cloud.volumes",
        ),
        (
            {"cloud__state_dir": "/statement", "cloud__volumes": VOLUME},
            "cloud.state_dir /statement: is in no mounted volume.*expected a path in /state, or",
        ),
        (
            {"cloud__state_dir": "/state/../tmp", "cloud__volumes": VOLUME},
            "cloud.state_dir /tmp: is in no mounted volume",
        ),
        (
            {"cloud__state_dir": "gs://b/f", "serving_dir": "/serving"},
            "--serving-dir /serving: is in no mounted volume",
        ),
        (
            {"pipeline_root": "gs://b/f", "serving_dir": "/serving"},
            "--serving-dir /serving: is in no mounted volume",
        ),
        ({"cloud__state_dir": "minio://b/s"}, "cloud.state_dir minio://b/s: expected gs://BUCKET"),
        ({"cloud__state_dir": "state"}, "cloud.state_dir state: expected gs://BUCKET"),
        (
            {"model": "s3://b/model", "cloud__state_dir": "gs://b/s"},
            "--model s3://b/model: a step cannot read minio:// and s3:// URIs; "
            "expected a path in a volume",
        ),
        (
            {"dataset": "minio://b/data", "cloud__state_dir": "gs://b/s"},
            "--dataset minio://b/data: a step cannot read minio:// and s3:// URIs",
        ),
        ({"pipeline_root": "hdfs://b/f"}, "--pipeline-root hdfs://b/f: expected .*minio://BUCKET"),
        (
            {"run__runner": "vertex", "cloud__volumes": VOLUME, "pipeline_root": "gs://b/f"},
            "cloud.volumes: has no effect with --runner vertex",
        ),
        (
            {"run__runner": "vertex"},
            "--pipeline-root minio://b/flowers: expected a directory .* such as gs://BUCKET/PATH$",
        ),
    ],
)
def test_files_that_would_be_lost_or_unreadable(values, message):
    with pytest.raises(InputError, match=f"^{message}"):
        kubeflow(**values)


@pytest.mark.parametrize(
    "volumes",
    [
        ["vit-state"],
        ["vit-state:state"],
        ["vit-state:/"],
        ["vit-state:/tmp"],
        ["vit-state:/minio/x"],
        ["vit-state:/s3"],
        ["vit-state:/x/../minio"],
        ["Vit:/state"],
        ["vit.state:/state"],
        ["x" * 64 + ":/state"],
        ["temporary:/state"],
        ["gcs-scratch:/state"],
        ["vit:/state", "vit:/data"],  # a pod cannot have two volumes with the same name
    ],
)
def test_volumes_that_a_pod_cannot_have(volumes):
    with pytest.raises(
        InputError, match=r"^cloud.volumes .*: expected CLAIM:/PATH, .*not in /gcs, "
    ):
        kubeflow(cloud__volumes=volumes)


def test_several_volumes():
    config = kubeflow(
        cloud__volumes=["vit-state:/state", "images:/tmp/images"], cloud__state_dir="/state"
    )
    assert config.cloud.volumes == ("vit-state:/state", "images:/tmp/images")
