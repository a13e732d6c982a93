"""By TensorFlow's own file system in memory, `ram://`; that for gs:// has the same interface."""

import pytest
import tensorflow as tf

from trainer.backbone import read_shapes
from trainer.errors import InputError
from trainer.resolve import check_model, resolve


@pytest.fixture
def uri(tiny_backbone):
    root = "ram://bucket/model"
    for path in tiny_backbone.rglob("*"):
        if path.is_file():
            name = f"{root}/{path.relative_to(tiny_backbone)}"
            tf.io.gfile.makedirs(name.rsplit("/", 1)[0])
            tf.io.gfile.copy(str(path), name, overwrite=True)
    return root


def test_a_saved_model_is_copied(uri, tmp_path, tiny_backbone):
    check_model(uri, "pretrained")
    for _ in range(2):
        directory = resolve(uri, weights="pretrained", cache=tmp_path)
        assert read_shapes(directory) == read_shapes(tiny_backbone)
    assert len(list((tmp_path / "remote").iterdir())) == 1


def test_nothing_there(tmp_path):
    with pytest.raises(InputError, match="--model ram://bucket/nothing: cannot be read"):
        resolve("ram://bucket/nothing", weights="pretrained", cache=tmp_path)
