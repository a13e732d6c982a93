import shutil

import pytest

from backbones.catalogue import MODELS
from backbones.reference import parse_model

HANDLE = "spsayakpaul/vision-transformer/tensorFlow2/vit-b16-fe"


@pytest.mark.parametrize(
    ("text", "kind", "entry"),
    [
        ("vit_b16_fe", "name", "vit_b16_fe"),
        ("vit_mini_fe", "name", "vit_mini_fe"),
        (f"{HANDLE}/1", "address", "vit_b16_fe"),
        (f"{HANDLE}/2", "address", "vit_b16_fe"),
        (f"https://www.kaggle.com/models/{HANDLE}/1", "address", "vit_b16_fe"),
        ("https://tfhub.dev/sayakpaul/vit_b16_fe/1", "address", "vit_b16_fe"),
        ("someone/vision-transformer/tensorFlow2/vit-b16-fe/1", "address", None),
        ("https://www.kaggle.com/models/rubbish", "address", None),
        ("https://example.org/vit_b16_fe.tar.gz", "address", None),
        ("gs://bucket/vit_b16_fe.tar.gz", "address", None),
        ("gs://bucket/vit_b16_fe", "bucket", None),
        ("s3://bucket/model.npz", "bucket", None),
        ("models/vit_b16_fe", "path", None),
        ("vit_b16", "path", None),
    ],
)
def test_kinds_of_references(text, kind, entry):
    reference = parse_model(text)
    assert (reference.text, reference.kind) == (text, kind)
    assert reference.entry is (MODELS[entry] if entry else None)


@pytest.mark.parametrize(
    "text", ["B_16.npz", "gs://vit_models/augreg/B_16.npz", "https://example.org/B.NPZ?token=1"]
)
def test_a_checkpoint_belongs_to_the_augreg_family(text):
    reference = parse_model(text)
    assert reference.is_checkpoint
    assert reference.is_augreg
    assert not reference.keeps_its_graph


def test_a_directory_is_recognised_by_its_variables_and_not_by_its_name(tiny_backbone, tmp_path):
    """For example, a folder with the name of an AugReg model may contain a MobileNet."""
    shutil.copytree(tiny_backbone, tmp_path / "mine")
    assert parse_model(str(tmp_path / "mine")).is_augreg
    other = tmp_path / "vit_b16_fe"
    other.mkdir()
    assert not parse_model(str(other)).is_augreg
    (other / "saved_model.pb").write_bytes(b"Conv1/kernel")
    assert not parse_model(str(other)).is_augreg
    assert parse_model(str(other)).keeps_its_graph


def test_a_path_goes_before_an_address(tmp_path, monkeypatch):
    (tmp_path / HANDLE / "1").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert parse_model(f"{HANDLE}/1").kind == "path"


def test_untrained_models():
    assert parse_model("vit_b16_fe").is_untrained("random")
    assert not parse_model("vit_b16_fe").is_untrained("pretrained")
    assert parse_model("vit_mini_fe").is_untrained("pretrained")
    # A model outside the catalogue is never untrained: `check_model` refuses random weights for it.
    assert not parse_model(f"{HANDLE}/1").is_untrained("random")


def test_a_signed_url_is_too_long_for_a_path():
    assert parse_model("https://example.org/model.tar.gz?signature=" + "x" * 5000).kind == "address"
