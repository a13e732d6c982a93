import hashlib

import pytest

from backbones.catalogue import MODELS
from backbones.hub_cache import hub_cache_directory
from backbones.publishers import (
    PUBLIC,
    check_address,
    is_address,
    is_checkpoint,
    make_file_name,
)
from common.errors import InputError

ARCHIVE = (
    "https://www.kaggle.com/api/v1/models/spsayakpaul/vision-transformer/tensorFlow2/"
    "vit-b16-fe/1/download"
)
PAGE = "https://www.kaggle.com/models/spsayakpaul/vision-transformer"


@pytest.mark.parametrize(
    "model",
    [
        "spsayakpaul/vision-transformer/tensorFlow2/vit-b16-fe",
        "spsayakpaul/vision-transformer/TensorFlow2/vit-b16-fe/1",
        f"{PAGE}/tensorFlow2/vit-b16-fe/1?tfhub-redirect=true",
        f"{PAGE}/TensorFlow2/vit-b16-fe",
        f"{PAGE}/frameworks/tensorFlow2/variations/vit-b16-fe/versions/1",
        f"{PAGE}/frameworks/TensorFlow2/variations/vit-b16-fe/",
        "https://kaggle.com/models/spsayakpaul/vision-transformer/tensorFlow2/vit-b16-fe/1",
        ARCHIVE,
    ],
)
def test_kaggle(model):
    check_address(model)
    assert is_address(model)
    assert PUBLIC.url(model) == ARCHIVE


@pytest.mark.parametrize("model", [PAGE, f"{PAGE}/tfLite/vit/1", "https://www.kaggle.com/code/x"])
def test_pages_of_kaggle_that_are_no_saved_models(model):
    with pytest.raises(InputError, match="only TensorFlow2 variations"):
        check_address(model)


@pytest.mark.parametrize("model", ["https://", "gs://", "http://[/x"])
def test_invalid_addresses(model):
    with pytest.raises(InputError, match="not an address"):
        check_address(model)


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("https://tfhub.dev/o/m/1", "https://tfhub.dev/o/m/1?tf-hub-format=compressed"),
        ("https://tfhub.dev/o/m/1?x=y", "https://tfhub.dev/o/m/1?tf-hub-format=compressed"),
        ("https://example.com/a.tar.gz?key=1", "https://example.com/a.tar.gz?key=1"),
        ("gs://bucket/a b.npz", "https://storage.googleapis.com/bucket/a%20b.npz"),
    ],
)
def test_other_addresses(model, url):
    check_address(model)
    assert PUBLIC.url(model) == url


def test_paths_are_no_addresses():
    for path in ("a/b", "a/b/c/d", "/a/b/tensorFlow2/c", "a/b/tensorFlow2/c/d", "vit_b16_fe"):
        assert not is_address(path)


def test_checkpoints():
    for model in ("x.npz", "x.NPZ", "https://example.com/x.npz?key=1", "gs://bucket/x.npz"):
        assert is_checkpoint(model)
    for model in ("x", "https://example.com/x.tar.gz?name=x.npz"):
        assert not is_checkpoint(model)


def test_a_catalogue_model():
    entry = MODELS["vit_b16_fe"]
    assert PUBLIC.archives(entry) == (
        ARCHIVE,
        "https://tfhub.dev/sayakpaul/vit_b16_fe/1?tf-hub-format=compressed",
    )
    assert PUBLIC.checkpoint(entry.variant.checkpoint) == (
        "https://storage.googleapis.com/vit_models/augreg/" + entry.variant.checkpoint
    )


def test_the_cache_directory_of_tensorflow_hub(monkeypatch, tmp_path):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    handle = MODELS["vit_b16_fe"].handle
    assert hub_cache_directory(handle) == tmp_path / hashlib.sha1(handle.encode()).hexdigest()
    from tensorflow_hub.compressed_module_resolver import _module_dir

    assert str(hub_cache_directory(handle)) == _module_dir(handle)


def test_file_names():
    assert make_file_name(ARCHIVE).startswith("vision-transformer-tensorflow2-vit-b16-fe-1-")
    assert make_file_name("https://e.com/x.tar.gz") != make_file_name("https://f.com/x.tar.gz")
    assert make_file_name("https://e.com/").startswith("model-")
