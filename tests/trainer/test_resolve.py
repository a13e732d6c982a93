import fcntl
import subprocess
import sys
import time

import pytest
import tensorflow as tf

from trainer.catalogue import MODELS
from trainer.errors import InputError
from trainer.resolve import cache_dir, check_model, is_cached, resolve


def resolved(model, cache, weights="pretrained"):
    check_model(model, weights)
    return resolve(model, weights=weights, cache=cache)


def test_a_directory_is_itself(tiny_backbone, tmp_path):
    assert resolved(str(tiny_backbone), tmp_path) == tiny_backbone


def test_a_model_that_is_made_on_the_spot_is_made_once(tmp_path):
    first = resolved("vit_mini_fe", tmp_path)
    written = (first / "saved_model.pb").stat().st_mtime_ns
    assert resolved("vit_mini_fe", tmp_path) == first
    assert (first / "saved_model.pb").stat().st_mtime_ns == written


def test_two_processes_make_a_model_once(tmp_path, project):
    """The second waits for the first, which holds the lock, and takes what that one made."""
    directory = resolved("vit_mini_fe", tmp_path / "elsewhere")
    target = tmp_path / "cache" / "random" / directory.name
    target.parent.mkdir(parents=True)
    code = (
        "import sys; from pathlib import Path; from trainer.resolve import resolve; "
        "print(resolve('vit_mini_fe', weights='random', cache=Path(sys.argv[1])))"
    )
    with (target.parent / f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "cache")],
            cwd=project,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(timeout=10)
        directory.rename(target)
        written = (target / "saved_model.pb").stat().st_mtime_ns
    assert second.communicate(timeout=60)[0].strip() == str(target)
    assert (target / "saved_model.pb").stat().st_mtime_ns == written


def test_random_weights_of_a_named_architecture(tmp_path):
    directory = resolved("vit_s16_fe", tmp_path, weights="random")
    model = tf.saved_model.load(str(directory))
    count = sum(variable.shape.num_elements() for variable in model.variables)
    assert count == MODELS["vit_s16_fe"].architecture.parameter_count


def test_an_augreg_checkpoint_is_converted_once(tmp_path, project):
    golden = next((project / "tests" / "trainer" / "augreg").rglob("tiny_plain.params.npz"))
    directory = resolved(str(golden), tmp_path)
    assert tf.saved_model.load(str(directory))(tf.zeros([1, 64, 64, 3])).shape == (1, 48)
    assert resolved(str(golden), tmp_path) == directory


def test_a_checkpoint_has_a_conversion_for_each_task(tmp_path, project):
    golden = next((project / "tests" / "trainer" / "augreg").rglob("tiny_plain.params.npz"))
    check_model(str(golden), "pretrained", task="classification")
    for task, outputs in (("fe", 48), ("classification", 7)):
        directory = resolve(str(golden), weights="pretrained", cache=tmp_path, task=task)
        assert tf.saved_model.load(str(directory))(tf.zeros([1, 64, 64, 3])).shape == (1, outputs)


def test_a_bad_checkpoint_names_itself(tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"rubbish")
    with pytest.raises(InputError, match=r"bad\.npz"):
        resolved(str(tmp_path / "bad.npz"), tmp_path / "cache")


def test_a_name_is_taken_from_the_cache(tiny_backbone, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "vit_b16_fe").symlink_to(tiny_backbone)
    assert is_cached(MODELS["vit_b16_fe"], tmp_path)
    assert not is_cached(MODELS["vit_b8_fe"], tmp_path)
    assert resolved("vit_b16_fe", tmp_path) == tmp_path / "models" / "vit_b16_fe"


def test_weights_that_cannot_be_had_say_what_was_tried_and_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # refuses every connection
    started = time.monotonic()
    with pytest.raises(InputError) as error:
        resolved("vit_b16_fe", tmp_path)
    assert time.monotonic() - started < 30
    message = str(error.value)
    assert f"{tmp_path}/models/vit_b16_fe" in message
    assert "https://tfhub.dev/sayakpaul/vit_b16_fe/1" in message
    assert "B_16-i21k" in message
    assert "--weights random" in message


def test_a_url_that_cannot_be_reached(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:9/model"):
        resolved("http://127.0.0.1:9/model.tar.gz", tmp_path)


@pytest.mark.parametrize(
    ("model", "weights", "expected"),
    [
        ("vit_b17_fe", "pretrained", "no such model in the catalogue and no such path"),
        ("vit_b16_classification", "pretrained", "such as vit_b16_fe"),
        ("/tmp", "pretrained", "no SavedModel"),
        ("/tmp", "random", "expected a catalogue name"),
    ],
)
def test_what_cannot_be_resolved_is_refused_at_once(model, weights, expected):
    with pytest.raises(InputError, match=expected):
        check_model(model, weights)


@pytest.mark.parametrize(
    ("model", "counterpart"),
    [("vit_s16_fe", "vit_s16_classification"), ("vit_mini_fe", "vit_b16_classification")],
)
def test_a_feature_extractor_is_no_classifier(model, counterpart):
    with pytest.raises(InputError, match=f"expected a classifier, such as {counterpart}"):
        check_model(model, "pretrained", task="classification")


def test_the_cache_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("VIT_HOME", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("VIT_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "vit-pipeline"
