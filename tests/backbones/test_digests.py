"""Tests of the SHA-256 digests of downloads.

The digest of the first download of a file is recorded, and later downloads of the file must have
the same digest. For some files, the catalogue contains a digest, so their first download is
checked, too.
"""

import hashlib
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from backbones.augreg.checkpoint import infer_architecture, load_checkpoint
from backbones.augreg.initialization import random_arrays
from backbones.catalogue import MODELS, VARIANTS, Model, Variant
from backbones.limits import max_model_bytes
from backbones.publishers import DownloadLocations
from backbones.resolve import check_model, resolve
from common.errors import InputError
from tests.backbones.scripted_server import Answer, archive, files_of
from tests.reusable_module import ReusableModule


@pytest.fixture
def fetch(server, tmp_path, monkeypatch):
    """Returns a function that resolves a model, with downloads only from the scripted server."""
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    locations = DownloadLocations(kaggle=server.url, tfhub=server.url, storage=server.url)

    def fetch(model, **options):
        check_model(model, "pretrained")
        cache = tmp_path / "cache"
        return resolve(model, weights="pretrained", cache=cache, locations=locations, **options)

    return fetch


@pytest.fixture
def get_refusal(fetch):
    """Returns a function that resolves a model, expects an error, and returns its message."""

    def get_refusal(model, **options):
        with pytest.raises(InputError) as error:
            fetch(model, **options)
        assert "\n" not in str(error.value)
        return str(error.value)

    return get_refusal


@pytest.fixture
def golden(project):
    return project / "tests" / "backbones" / "augreg" / "golden" / "tiny_plain.params.npz"


def other_checkpoint(golden, tmp_path):
    """Returns the bytes of a checkpoint of the same architecture with other weights."""
    arrays = random_arrays(infer_architecture(load_checkpoint(golden)), seed=3)
    np.savez(tmp_path / "other.npz", **arrays)
    return (tmp_path / "other.npz").read_bytes()


def digest_file(path):
    return path.with_name(f"{path.name}.sha256")


def test_a_saved_model_that_has_changed_since_its_download(
    fetch, get_refusal, server, tiny_backbone
):
    url = server.answer("/m.tar.gz", Answer(body=archive(files_of(tiny_backbone))))
    model = fetch(url)
    assert re.fullmatch(rf"[0-9a-f]{{64}}  {model.name}\n", digest_file(model).read_text())
    assert fetch(url) == model
    (data,) = model.glob("variables/variables.data*")
    data.write_bytes(data.read_bytes()[:-4] + b"\0\0\0\0")
    message = get_refusal(url)
    assert f"{model}: has changed since it was downloaded: its SHA-256 is " in message
    assert (
        f"remove it to download the model again, or remove {digest_file(model)} to use" in message
    )
    shutil.rmtree(model)
    assert fetch(url) == model
    data.write_bytes(data.read_bytes()[:-4] + b"\0\0\0\0")
    digest_file(model).unlink()
    assert fetch(url) == model


def test_a_publisher_who_sends_another_saved_model(
    fetch, get_refusal, server, tmp_path, *, tiny_backbone, monkeypatch
):
    """A SavedModel with an unexpected digest is refused before it is loaded."""
    other = shutil.copytree(tiny_backbone, tmp_path / "other")
    (other / "assets").mkdir(exist_ok=True)
    (other / "assets" / "more").write_text("more")
    answers = [Answer(body=archive(files_of(directory))) for directory in (tiny_backbone, other)]
    url = server.answer("/m.tar.gz", *answers)
    model = fetch(url)
    shutil.rmtree(model)
    monkeypatch.setattr(tf.saved_model, "load", lambda *_: pytest.fail("it was loaded"))
    message = get_refusal(url)
    assert "with an unusable SavedModel (its SHA-256 is " in message
    assert f"if you trust the new file, remove {digest_file(model)}" in message
    assert not model.exists()
    monkeypatch.undo()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    digest_file(model).unlink()
    assert fetch(url) == model


def test_the_digest_of_an_unusable_model_is_not_recorded(fetch, get_refusal, server, tiny_backbone):
    whole = files_of(tiny_backbone)
    cut = {name: content for name, content in whole.items() if "variables" not in name}
    url = server.answer("/m.tar.gz", Answer(body=archive(cut)), Answer(body=archive(whole)))
    assert "cannot be loaded" in get_refusal(url)
    fetch(url)


def test_a_checkpoint_that_has_changed_since_its_download(fetch, server, tmp_path, golden):
    """The changed file is renamed, and the original checkpoint is downloaded again."""
    url = server.answer("/x.npz", Answer(body=golden.read_bytes()))
    converted = fetch(url)
    (kept,) = (tmp_path / "cache" / "downloaded").glob("*.npz")
    digest = hashlib.sha256(golden.read_bytes()).hexdigest()
    assert digest_file(kept).read_text() == f"{digest}  {kept.name}\n"
    kept.write_bytes(other_checkpoint(golden, tmp_path))
    assert fetch(url) == converted
    assert kept.read_bytes() == golden.read_bytes()
    assert len(server.requests) == 2


def test_a_publisher_who_sends_another_checkpoint(fetch, get_refusal, server, tmp_path, golden):
    other = other_checkpoint(golden, tmp_path)
    url = server.answer("/x.npz", Answer(body=golden.read_bytes()), Answer(body=other))
    converted = fetch(url)
    (kept,) = (tmp_path / "cache" / "downloaded").glob("*.npz")
    kept.unlink()
    message = get_refusal(url)
    assert f"its SHA-256 is {hashlib.sha256(other).hexdigest()}; expected " in message
    assert f"if you trust the new file, remove {digest_file(kept)}" in message
    assert not kept.exists()
    digest_file(kept).unlink()
    assert fetch(url) != converted


def test_a_digest_of_the_catalogue(fetch, get_refusal, server, tmp_path, *, golden, monkeypatch):
    content, other = golden.read_bytes(), other_checkpoint(golden, tmp_path)
    variant = Variant(
        title="tiny",
        architecture=infer_architecture(load_checkpoint(golden)),
        checkpoint="tiny.npz",
        sha256=hashlib.sha256(content).hexdigest(),
    )
    monkeypatch.setitem(MODELS, "tiny_fe", Model(name="tiny_fe", task="fe", variant=variant))
    server.answer("/vit_models/augreg/tiny.npz", Answer(body=other), Answer(body=content))
    message = get_refusal("tiny_fe", precision="mixed_bfloat16")
    assert "the catalogue has the expected digest: do not use this file" in message
    assert list((tmp_path / "cache" / "checkpoints").glob("[!.]*")) == []
    # The next line imitates a person who puts the refused file into the cache.
    (tmp_path / "cache" / "checkpoints" / "tiny.npz").write_bytes(other)
    fetch("tiny_fe", precision="mixed_bfloat16")
    names = {path.name for path in (tmp_path / "cache" / "checkpoints").glob("[!.]*")}
    assert names == {"tiny.npz", "tiny.npz.sha256", "tiny.npz.unfit"}


def test_the_catalogues_digests():
    digests = [variant.sha256 for variant in VARIANTS.values() if variant.sha256]
    assert digests
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)


@pytest.mark.parametrize("content", ["", "rubbish"])
def test_a_damaged_digest_is_named(fetch, get_refusal, server, tiny_backbone, content):
    url = server.answer("/m.tar.gz", Answer(body=archive(files_of(tiny_backbone))))
    model = fetch(url)
    digest_file(model).write_text(content)
    assert f"{digest_file(model)}: is damaged; expected the SHA-256 of " in get_refusal(url)


def test_a_downloaded_program_is_refused_unless_it_is_trusted(fetch, get_refusal, server, tmp_path):
    class Model(ReusableModule):
        @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 3], tf.float32)])
        def __call__(self, images):
            tf.io.write_file("/nowhere/file", "!")
            return tf.reduce_mean(images, [1, 2])

    tf.saved_model.save(Model(), str(tmp_path / "model"))
    url = server.answer("/m.tar.gz", Answer(body=archive(files_of(tmp_path / "model"))))
    assert "does more than compute: it has WriteFile in " in get_refusal(url)
    fetch(url, trusted=True)


@pytest.mark.parametrize(("text", "size"), [("", 20e9), ("0.5", 5e8), ("1e3", 1e12)])
def test_the_largest_size_of_a_model(monkeypatch, text, size):
    monkeypatch.setenv("VIT_MAX_MODEL_GB", text)
    assert max_model_bytes() == size


@pytest.mark.parametrize("text", ["0", "-1", "many", "nan", "inf"])
def test_an_invalid_largest_size_is_refused(monkeypatch, text):
    monkeypatch.setenv("VIT_MAX_MODEL_GB", text)
    with pytest.raises(InputError, match=f"VIT_MAX_MODEL_GB={text}: expected a number above 0"):
        max_model_bytes()


def test_an_archive_larger_than_the_limit_is_refused(
    fetch, get_refusal, server, tiny_backbone, monkeypatch
):
    url = server.answer("/m.tar.gz", Answer(body=archive(files_of(tiny_backbone))))
    monkeypatch.setenv("VIT_MAX_MODEL_GB", "0.00001")
    assert (
        "unpacks to more than 1e-05 GB; if you trust this archive, set VIT_MAX_MODEL_GB"
        in get_refusal(url)
    )
    monkeypatch.delenv("VIT_MAX_MODEL_GB")
    fetch(url)


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1.example.org", "10.0.0.1", "[::2]"])
def test_http_is_refused(host):
    with pytest.raises(InputError, match=r"anybody on the network .*; expected https://") as error:
        check_model(f"http://{host}/m.tar.gz", "pretrained")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "127.1.2.3", "[::1]:8080"])
def test_http_from_this_machine_is_accepted(host):
    check_model(f"http://{host}/m.tar.gz", "pretrained")
    check_model("https://example.org/m.tar.gz", "pretrained")
