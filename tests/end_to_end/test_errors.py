"""Tests of the messages for errors that are found during a run."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from tests.components.image_example_gen.hostile_files import write_hostile_files
from tests.conftest import TINY, class_folder
from tests.trainer.collection_model import write_collection_model
from tests.trainer.decoding.test_image_file import suite


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """Sets a proxy that refuses every connection, and sets the caches to empty folders."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    monkeypatch.setenv("VIT_HOME", str(tmp_path / "home"))


def assert_failed(run, *expected, status=1):
    """Asserts that `run` failed with a short message that contains `expected`; returns stderr."""
    assert run.status == status
    assert "Traceback" not in run.out + run.err
    assert 1 <= len(run.err.splitlines()) <= 3
    for text in expected:
        assert text in run.err
    return run.err


def test_a_saved_model_without_the_interface(pipeline, tmp_path):
    module = tf.Module()
    module.weight = tf.Variable(1.0)
    tf.saved_model.save(module, str(tmp_path / "model"))
    run = pipeline(tmp_path / "root", "--model", str(tmp_path / "model"), "--dataset", "digits")
    assert_failed(run, "has no __call__", "expected the reusable interface")


@pytest.mark.usefixtures("no_network")
def test_a_saved_model_whose_variables_are_missing(pipeline, tmp_path, tiny_backbone):
    """The dataset does not exist either, but the run checks the backbone before the dataset."""
    shutil.copytree(tiny_backbone, tmp_path / "model")
    (tmp_path / "model" / "variables" / "variables.index").unlink()
    data = str(tmp_path / "data")
    run = pipeline(tmp_path / "root", "--model", str(tmp_path / "model"), "--data-dir", data)
    assert_failed(run, f"{tmp_path}/model: this SavedModel cannot be loaded")


@pytest.mark.usefixtures("no_network")
def test_a_saved_model_that_does_more_than_compute(pipeline, tmp_path, tiny_backbone):
    """The run refuses the model before loading it, unless --trust-model is given.

    With --trust-model, the run continues until TFDS cannot download the dataset.
    """
    model = tf.saved_model.load(str(tiny_backbone))
    model.more = tf.function(tf.io.read_file, [tf.TensorSpec([], tf.string)])
    tf.saved_model.save(model, str(tmp_path / "model"))
    arguments = ["--model", str(tmp_path / "model"), "--data-dir", str(tmp_path / "data")]
    run = pipeline(tmp_path / "root", *arguments)
    assert_failed(
        run, f"{tmp_path}/model: this SavedModel does more than compute: it has ReadFile in"
    )
    run = pipeline(tmp_path / "root", *arguments, "--trust-model")
    message = assert_failed(run, f"not found below {tmp_path}/data/tf_flowers", "--data-dir")
    assert re.search(r"downloading it failed \((Connection|Proxy)Error", message)


@pytest.mark.usefixtures("no_network")
def test_a_frozen_backbone_cannot_be_tuned_as_a_whole(pipeline, tmp_path):
    """The run checks the backbone before it looks for the dataset."""
    write_collection_model(dataclasses.replace(TINY, classes=3), tmp_path / "model")
    data = str(tmp_path / "data")
    run = pipeline(tmp_path / "root", "--model", str(tmp_path / "model"), "--data-dir", data)
    assert_failed(
        run, f"{tmp_path}/model: this SavedModel has no trainable variables", "--tune head"
    )


@pytest.mark.usefixtures("no_network")
def test_weights_that_cannot_be_downloaded(pipeline, tmp_path):
    run = pipeline(tmp_path / "root", "--model", "vit_b16_fe", "--dataset", "digits")
    assert_failed(run, "Tried", "tfhub.dev/sayakpaul/vit_b16_fe/1", "gs://vit_models/augreg/B_16")


def test_a_damaged_metadata_store(pipeline, tmp_path, tiny_backbone):
    store = tmp_path / "root" / "metadata.sqlite"
    store.parent.mkdir()
    store.write_bytes(b"no database" * 100)
    arguments = ["--model", str(tiny_backbone), "--dataset", "digits"]
    assert_failed(
        pipeline(tmp_path / "root", *arguments), f"{store}: the metadata store is damaged"
    )


def test_hostile_files(pipeline, tmp_path, tiny_backbone):
    """Every file is written or quarantined, and too many quarantined files stop the run.

    The next run allows enough quarantined files. This run completes, and reads no image again.
    """
    folder = class_folder(tmp_path / "data", images=40)
    outcomes = write_hostile_files(folder / "c0")
    for path in suite():
        (folder / "c1" / f"{path.parent.name}_{path.name}").write_bytes(path.read_bytes())
    given = ["--model", str(tiny_backbone), "--dataset", str(folder), "--name", "hostile"]
    # The generated images look alike, so DataCheck would find leaks between the splits, and stop
    # the run. The option data.max_leak=1 allows any number of leaks.
    given += ["--set", "train.steps=2", "--min-accuracy", "0", "--set", "data.max_leak=1"]
    given += ["--set", "report.heat_map_seconds=0"]
    stopped = pipeline(tmp_path / "root", *given)
    refused = assert_failed(stopped, "ExampleValidator: failed", status=3)
    name, _, page = stopped.out.splitlines()[-1].partition(": ")
    assert name == "report"
    assert "or allow more with ingest.max_quarantined" in Path(page).read_text()
    assert re.search(r"images are quarantined \(damaged: \d+, format: \d+, \w+: \d+\)", refused)
    run = pipeline(tmp_path / "root", *given, "--set", "ingest.max_quarantined=1")
    assert run.status == 0, run.err
    assert "ImageExampleGen" not in run.ran
    examples = run.artifacts["ImageExampleGen.examples"]
    records = map(json.loads, (examples / "quarantine.jsonl").read_text().splitlines())
    quarantined = {record["file_name"]: record["reason"] for record in records}
    found = {name: quarantined.get(f"c0/{name}") for name in outcomes}
    assert found == outcomes
    counts = json.loads((examples / "counts.json").read_text())
    assert counts["read"] == 80 + len(outcomes) + len(suite())
    assert counts["quarantine"] == len(quarantined)


def test_too_few_images_are_refused_before_a_node_runs(pipeline, tmp_path, tiny_backbone):
    folder = class_folder(tmp_path / "few", images=1)
    run = pipeline(tmp_path / "root", "--model", str(tiny_backbone), "--dataset", str(folder))
    assert_failed(run, "no image for the split", "found 2 images; expected", "80/10/10", status=3)
    assert "ImageExampleGen" not in run.out
    folder = class_folder(tmp_path / "few2", images=20)
    arguments = ["--model", str(tiny_backbone), "--dataset", str(folder), "--batch-size", "100"]
    run = pipeline(tmp_path / "root2", *arguments)
    assert_failed(run, "--batch-size 100: found ", " training images; expected at most ")
    assert "ImageExampleGen" not in run.out


def test_an_unforeseen_error_names_the_log_which_has_the_traceback(
    pipeline, tmp_path, tiny_backbone, monkeypatch
):
    from pipeline.runners import local

    def broken(*_):
        raise ZeroDivisionError("something\nof two lines")

    monkeypatch.setattr(local, "create_pipeline", broken)
    arguments = ["--model", str(tiny_backbone), "--dataset", "digits"]
    message = assert_failed(pipeline(tmp_path / "root", *arguments), "ZeroDivisionError: something")
    log = message.splitlines()[-1].removeprefix("log: ")
    with open(log) as file:
        assert "Traceback" in file.read()
    verbose = pipeline(tmp_path / "root", *arguments, "--verbose")
    assert "Traceback" in verbose.err
    assert verbose.status == 1


def test_a_second_run_on_a_root_is_refused(pipeline, tmp_path, tiny_backbone):
    from pipeline.options.build import build_config
    from pipeline.options.settings import Setting
    from pipeline.root import claim_root

    settings = {"model": str(tiny_backbone), "dataset": "digits"}
    config = build_config({key: Setting(value, key) for key, value in settings.items()})
    with claim_root(tmp_path, config):
        run = pipeline(tmp_path, "--model", str(tiny_backbone), "--dataset", "digits")
    assert run.status == 2
