"""Tests of ServingCheck on small exported models, without and with faults."""

import json
import os
import re
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from common.custom_config import to_custom_config
from components.model_evaluator.predictions import FILE as PREDICTIONS
from components.model_evaluator.predictions import SCHEMA
from components.serving_check import check as check_module
from components.serving_check.check import ServingCheck, TestImage
from components.serving_check.executor import BLESSING, EVALUATION, SETTINGS, Executor
from components.serving_check.findings import FILE, read_findings
from components.serving_check.probes import Probe, make_probes
from components.serving_check.refusal import read_refusal
from components.serving_check.settings import ServingCheckSettings
from tests.components.model_pusher.serving_models import export_classifier, export_model
from tests.conftest import PROJECT, encode, gradient
from trainer.serving.export import ServedClassifier
from trainer.serving.serving_process import ServingProcess
from trainer.serving.watchdog import Bounds

CLASSES = ["daisy", "roses", "tulips"]
IMAGES = {f"{index}.jpg": encode(gradient(16 + index, 24), "JPEG") for index in range(4)}


def settings(**changes):
    defaults = {
        "images": 64,
        "timeout_seconds": 60.0,
        "max_memory_gb": None,
        "max_p99_ms": None,
        "tolerance": 1e-4,
        "code_fingerprint": "",
    }
    return ServingCheckSettings(**(defaults | changes))


def example_of(name, image):
    feature = {
        key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for key, value in {"image": image, "file_name": name.encode()}.items()
    }
    feature["label"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[0]))
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


@pytest.fixture(autouse=True)
def few_repetitions(monkeypatch):
    monkeypatch.setattr(check_module, "_REQUESTS", 12)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Exports a classifier without faults; returns its directory."""
    return export_classifier(tmp_path_factory.mktemp("model") / "1" / "Format-Serving")


@pytest.fixture(scope="module")
def images(model, server_process):
    """Returns test images with the predictions of `model`, which in a run come from Evaluator."""
    asked = {"serving_default": {"image_bytes": list(IMAGES.values())}}
    outputs = server_process.ask(model, asked)["serving_default"]
    return [
        TestImage(
            name=name,
            content=image,
            example=example_of(name, image),
            predicted=outputs["label"][index].decode(),
            probability=float(outputs["probability"][index]),
            valid=True,
        )
        for index, (name, image) in enumerate(IMAGES.items())
    ]


def findings(process, directory, images, **changes):
    check = ServingCheck(process, str(directory), CLASSES, settings(**changes))
    check.run(images)
    return check.findings


def export_wrong(directory, answer=None, *, always_valid=False):
    """Exports a model with a fault.

    Args:
      directory: the new directory of the model.
      answer: a function that changes the outputs of every signature.
      always_valid: whether the output `valid` is True for every file.
    """

    class Wrong(ServedClassifier):
        def _answer(self, images, is_valid):
            is_valid = tf.ones_like(is_valid) if always_valid else is_valid
            outputs = super()._answer(images, is_valid)
            return answer(outputs) if answer else outputs

    return export_classifier(directory, kind=Wrong)


def test_a_good_model_passes(server_process, model, images, monkeypatch):
    """If the shared data have a folder serving_suite, the model also classifies the files in it."""
    folder = Path(os.environ.get("VIT_SHARED", PROJECT.parent / "shared")) / "serving_suite"
    suite = [
        Probe(str(path), path.read_bytes(), None)
        for path in sorted(folder.glob("*/*"))
        if path.is_file()
    ]
    own = list(make_probes())
    monkeypatch.setattr(check_module, "make_probes", lambda: own + suite)
    found = findings(server_process, model, images)
    assert found.reasons == []
    assert found.latency_ms["1"]["requests"] == 12
    assert found.latency_ms["1"]["p99"] >= found.latency_ms["1"]["p50"] > 0
    # `latency_ms` leaves out the first request of each size. With the few images of this test,
    # ServingCheck sends only one timed request of each size above 1.
    assert set(found.latency_ms) == {"1"}
    assert 0.1 < found.peak_memory_gb < 10
    assert {request["signature"] for request in found.requests} == {
        "serving_default",
        "from_examples",
        "from_pixels",
    }
    sizes = {len(request["images"]) for request in found.requests}
    assert {1, 8, 32} <= sizes
    by_name = {request["images"][0]: request for request in found.requests}
    assert {probe.name for probe in suite} <= set(by_name)
    assert by_name["no bytes"]["answers"] == [
        {"label": "", "probability": 0.0, "valid": False, "accepted": False}
    ]


def shift_classes_in_batches(outputs):
    """Changes each prediction to the next class, but only in batches of more than one image."""
    turned = (outputs["label_id"] + 1) % 3
    others = {
        "probabilities": tf.roll(outputs["probabilities"], 1, 1),
        "label_id": tf.where(outputs["valid"], turned, -1),
        "label": tf.where(outputs["valid"], tf.gather(tf.constant(CLASSES), turned), ""),
    }
    is_batch = tf.shape(outputs["label_id"])[0] > 1
    return outputs | {
        name: tf.where(is_batch, other, outputs[name]) for name, other in others.items()
    }


def test_a_model_that_confuses_batches_and_calls_garbage_images(server_process, tmp_path, images):
    directory = export_wrong(tmp_path / "model", shift_classes_in_batches, always_valid=True)
    reasons = findings(server_process, directory, images).reasons
    for reason in (
        r"^in a batch of 8 images: 0\.jpg: a probability differs by 0\.\d{6}$",
        r"^no bytes: valid is True; expected False$",
    ):
        assert any(re.search(reason, line) for line in reasons), reasons


def test_a_model_that_differs_from_evaluator_and_exceeds_its_limits(server_process, model, images):
    (first, second, *others) = images
    wrong = TestImage(**(vars(first) | {"probability": first.probability - 0.01}))
    invalid = TestImage(**(vars(second) | {"valid": False}))
    found = findings(
        server_process, model, [wrong, invalid, *others], max_p99_ms=0.001, max_memory_gb=0.01
    )
    assert found.reasons[:2] == [
        f"0.jpg: {first.predicted} has the probability {first.probability:.4f}, but "
        f"{first.probability - 0.01:.4f} in Evaluator's table",
        "1.jpg: valid is True, but False in Evaluator's table",
    ]
    slow, large = found.reasons[2:]
    assert slow.endswith("more than the limit of 0.001 ms (serving_check.max_p99_ms)")
    assert large.endswith("more than the limit of 0.01 GB (serving_check.max_memory_gb)")


def test_a_model_that_cannot_be_served(server_process, tmp_path, images):
    found = findings(server_process, tmp_path, images)
    (reason,) = found.reasons
    assert reason.startswith("the model cannot be loaded: cannot be loaded in a Session")
    found = findings(server_process, export_model(tmp_path / "other"), images)
    assert found.reasons == [
        "the model has no signature from_examples, from_pixels, serving_default"
    ]


def loop_forever(outputs):
    """Makes an output depend on an endless loop, in which each iteration allocates 40 MB."""
    (end,) = tf.while_loop(
        lambda values: tf.reduce_sum(values[:1]) < 1e9,
        lambda values: (tf.concat([values, tf.ones([10_000_000])], 0),),
        (tf.ones([1]),),
        shape_invariants=(tf.TensorShape([None]),),
    )
    return outputs | {"probability": outputs["probability"] + 0 * end[0]}


def test_a_model_that_uses_too_much_memory_is_stopped(tmp_path, images):
    directory = export_wrong(tmp_path / "model", loop_forever)
    with ServingProcess(bounds=Bounds(seconds=600, memory=1.0e9), on_cpu=True) as process:
        (reason,) = findings(process, directory, images).reasons
    assert re.search(
        r"^0\.jpg: the process that runs the model was stopped: it uses 1\.\d\d GB of memory, "
        r"more than the limit of 1\.00 GB; serving_check\.timeout_seconds and ",
        reason,
    )


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("os.abort()", r"^0\.jpg: the process that runs the model ended with status -6"),
        (
            "time.sleep(600)",
            r"^0\.jpg: the process that runs the model was stopped: no answer after 1 s; "
            "serving_check",
        ),
    ],
)
def test_a_process_that_crashes_or_hangs(images, tmp_path, end, reason):
    """The first request crashes the serving process or makes it hang, as a faulty op may do."""
    python = tmp_path / "python"
    shapes = {name: {"x": [None, 2, 2, 3]} for name in ("from_examples", "from_pixels")}
    python.write_text(
        f"#!{sys.executable}\nimport os, pickle, sys, time\n"
        "def answer(value):\n    pickle.dump(value, sys.stdout.buffer); sys.stdout.flush()\n"
        "answer([])\npickle.load(sys.stdin.buffer)\n"
        f"answer(('answers', {shapes | {'serving_default': {}}!r}))\n"
        f"pickle.load(sys.stdin.buffer)\n{end}\n"
    )
    python.chmod(0o755)
    with ServingProcess(python, bounds=Bounds(seconds=1, memory=1e12)) as process:
        (found,) = findings(process, "/model", images).reasons
    assert re.search(reason, found)


def test_the_executor(tmp_path, model, images):
    """The executor reads artifacts in the formats of ImageExampleGen and Evaluator."""
    artifacts = {
        "model": standard_artifacts.Model(),
        "examples": standard_artifacts.Examples(),
        EVALUATION: standard_artifacts.ModelEvaluation(),
        BLESSING: standard_artifacts.InfraBlessing(),
    }
    for name, artifact in artifacts.items():
        artifact.uri = str(Path(model).parent if name == "model" else tmp_path / name)
    artifacts["examples"].split_names = '["train", "test"]'
    split = tmp_path / "examples" / "Split-test"
    split.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(split / "data.gz"), "GZIP") as writer:
        for image in images:
            writer.write(image.example)
    columns = {
        "file_name": [image.name for image in images],
        "label": [image.predicted for image in images],
        "predicted": [image.predicted for image in images],
        "probability": [image.probability for image in images],
        "valid": [True] * len(images),
    }
    empty = [None] * len(images)
    table = pa.table([pa.array(columns.get(f.name, empty), f.type) for f in SCHEMA], SCHEMA)
    (tmp_path / EVALUATION).mkdir()
    pq.write_table(table, tmp_path / EVALUATION / PREDICTIONS)
    inputs = {name: [artifacts[name]] for name in ("model", "examples", EVALUATION)}
    given = {SETTINGS: to_custom_config(settings(images=3))}
    Executor().Do(inputs, {BLESSING: [artifacts[BLESSING]]}, given)
    blessing = artifacts[BLESSING]
    assert blessing.get_int_custom_property("blessed") == 1
    assert read_refusal(blessing) == ""
    assert {path.name for path in (tmp_path / BLESSING).iterdir()} == {"INFRA_BLESSED", FILE}
    content = json.loads((tmp_path / BLESSING / FILE).read_text())
    assert content["blessed"] is True
    sent = {name for request in content["requests"] for name in request["images"]}
    assert len(sent & set(IMAGES)) == 3
    assert read_findings(blessing.uri).latency_ms == content["latency_ms"]


def test_probes_are_the_same_each_time():
    assert list(make_probes()) == list(make_probes())
    names = [probe.name for probe in make_probes()]
    assert len(set(names)) == len(names)
