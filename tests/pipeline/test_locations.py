import os

import pytest

from common.errors import InputError, UnreachableError
from pipeline.locations import check_buckets, check_locations, check_written
from tests.pipeline.test_root import config_of


@pytest.fixture
def places(tmp_path):
    """Returns a folder that contains a folder of images, a SavedModel, and a symbolic link to the
    folder of images."""
    (tmp_path / "flowers" / "daisy").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "saved_model.pb").touch()
    (tmp_path / "link").symlink_to(tmp_path / "flowers")
    return tmp_path


def make_config(places, **values):
    """Returns a configuration whose paths are relative to the folder `places`.

    By default, the dataset has the path `flowers`, the model has the path `mine`, and the pipeline
    root has the path `root`.
    """
    given = {"dataset": "flowers", "model": "mine", "pipeline_root": "root"} | values
    given = {k: v if "://" in v else str(places / v) for k, v in given.items()}
    return config_of(given.pop("model"), **given)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pipeline_root": "flowers/out"}, "--pipeline-root .* is in --dataset .*for images"),
        ({"pipeline_root": "link/out"}, "--pipeline-root .* is in --dataset"),
        ({"pipeline_root": "flowers"}, "--pipeline-root .* is --dataset"),
        ({"serving_dir": "flowers/serving"}, "--serving-dir .* is in --dataset"),
        ({"pipeline_root": "."}, "--dataset .* is in --pipeline-root"),
        ({"serving_dir": "."}, "--dataset .* is in --serving-dir"),
        ({"serving_dir": "root"}, "--pipeline-root .* is --serving-dir .*among the artifacts"),
        (
            {"pipeline_root": "serving/root", "serving_dir": "serving"},
            "--pipeline-root .* is in --serving-dir",
        ),
        ({"pipeline_root": "mine/root"}, "--pipeline-root .* is in --model"),
        (
            {"dataset": "gs://b/flowers", "pipeline_root": "gs://b/flowers/runs/"},
            "--pipeline-root gs://b/flowers/runs/: is in --dataset gs://b/flowers,",
        ),
        ({"pipeline_root": "s3://b/root"}, "--pipeline-root s3://b/root: s3:// is not supported"),
        ({"serving_dir": "s3://b/s"}, "--serving-dir s3://b/s: s3:// is not supported"),
    ],
)
def test_invalid_locations(places, values, message):
    with pytest.raises(InputError, match=f"^{message}"):
        check_locations(make_config(places, **values))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"serving_dir": "root/serving"},
        {"serving_dir": "elsewhere"},
        {"pipeline_root": "flowers-runs"},
        {"dataset": "gs://b/flowers", "pipeline_root": "gs://b/flowers-runs"},
        {"pipeline_root": "gs://b/root", "serving_dir": "gs://b/root/serving"},
    ],
)
def test_valid_locations(places, values):
    check_locations(make_config(places, **values))
    check_written(make_config(places, **values))


def test_a_compiled_pipeline_must_not_write_into_its_dataset():
    there = {"run.runner": "kubeflow", "dataset": "gs://b/flowers"}
    with pytest.raises(InputError, match=r"^--pipeline-root gs://b/flowers/runs: is in --dataset"):
        check_locations(config_of(pipeline_root="gs://b/flowers/runs", **there))
    check_locations(config_of(pipeline_root="gs://b/runs", **there))
    check_locations(config_of(**there))  # no pipeline root: each run sets its own


def test_the_state_directory_may_contain_the_data_and_not_vice_versa():
    storage = {"cloud.volumes": ["vit:/state"], "cloud.state_dir": "/state/flowers"}
    there = {"run.runner": "kubeflow", "pipeline_root": "minio://b/flowers"} | storage
    check_locations(config_of(dataset="/state/flowers/images", **there))
    message = r"^cloud.state_dir /state/flowers: is in --dataset /state, where checkpoints"
    with pytest.raises(InputError, match=message):
        check_locations(config_of(dataset="/state", serving_dir="gs://b/serving", **there))
    with pytest.raises(InputError, match=r"^cloud.state_dir /state/flowers: is --serving-dir"):
        check_locations(config_of(serving_dir="/state/flowers", **there))


def test_an_unwritable_location_is_named_with_its_flag(places):
    (places / "file").touch()
    message = r"^--pipeline-root .*/file/root: .*/file is not a directory that can be written"
    with pytest.raises(InputError, match=message):
        check_written(make_config(places, pipeline_root="file/root"))
    with pytest.raises(InputError, match=r"^--serving-dir .*/file/serving: .*/file is not a dir"):
        check_written(make_config(places, serving_dir="file/serving"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_root_without_permission(places):
    (places / "closed").mkdir(mode=0o500)
    with pytest.raises(InputError, match=r"^--pipeline-root .*/closed is not a directory that can"):
        check_written(make_config(places, pipeline_root="closed/root"))


@pytest.mark.parametrize(
    ("flag", "values"),
    [
        ("--model", {"model": "gs://b/model"}),
        ("--dataset", {"dataset": "gs://b/flowers"}),
        ("--data-dir", {"data_dir": "gs://b/tfds"}),
        ("--pipeline-root", {"pipeline_root": "gs://b/root", "serving_dir": "/serving"}),
        ("--serving-dir", {"serving_dir": "gs://b/serving"}),
    ],
)
def test_a_bucket_is_asked_for_before_anything_long(flag, values, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(UnreachableError, match=f"^{flag} gs://b/.* cannot be reached"):
        check_buckets(config_of(**values))
    check_buckets(config_of())
