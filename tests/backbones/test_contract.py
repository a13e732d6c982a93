import dataclasses
import gc
import shutil
import weakref

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from backbones.admission import check_backbone
from backbones.augreg.convert import convert
from backbones.augreg.initialization import random_arrays
from backbones.contract import (
    Shapes,
    check_tunable,
    load_backbone,
    load_shared_backbone,
    read_shapes,
    share_backbone,
)
from common.errors import InputError
from tests.backbones.scripted_server import random_bytes
from tests.conftest import TINY


def test_shapes_are_read_from_the_signature(tiny_backbone):
    assert read_shapes(tiny_backbone) == Shapes(height=16, width=16, features=16)


def test_shapes_of_a_real_backbone(shared):
    backbone = shared / "backbones" / "mobilenet_v2_160_fe"
    assert read_shapes(backbone) == Shapes(height=160, width=160, features=1280)


def test_a_directory_that_is_no_saved_model(tmp_path):
    with pytest.raises(InputError, match="missing or corrupt"):
        read_shapes(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"rubbish")
    with pytest.raises(InputError, match="missing or corrupt"):
        read_shapes(tmp_path)


@pytest.fixture(scope="module")
def in_two_shards(tiny_backbone, tmp_path_factory):
    """Returns a copy of the SavedModel whose variables are in two data files."""
    directory = str(tmp_path_factory.mktemp("backbone") / "shards")
    policy = tf.train.experimental.MaxShardSizePolicy(20_000)
    options = tf.saved_model.SaveOptions(experimental_sharding_callback=policy)
    tf.saved_model.save(tf.saved_model.load(str(tiny_backbone)), directory, options=options)
    return directory


@pytest.mark.parametrize(
    "lost",
    [
        "variables",
        "variables/variables.index",
        "variables/variables.data-00000-of-00002",
        "variables/variables.data-00001-of-00002",
        "variables/variables.data-*",
    ],
    ids=["all", "index", "first shard", "last shard", "all shards"],
)
def test_a_saved_model_whose_variables_are_missing(in_two_shards, tmp_path, lost):
    model = tmp_path / "model"
    shutil.copytree(in_two_shards, model)
    for path in model.glob(lost):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(InputError, match=f"{model}: this SavedModel cannot be loaded") as error:
        check_backbone(model)
    assert "\n" not in str(error.value)


def cut(size):
    return lambda content: content[: int(size * len(content))]


def flip_byte(part):
    """Returns a function that flips all bits of one byte in the content of a file.

    `part` (0 to 1) is the position of the byte as a fraction of the file's length.
    """

    def flip(content):
        at = int(part * len(content))
        return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]

    return flip


@pytest.mark.parametrize("variables", ["tiny_backbone", "in_two_shards"])
@pytest.mark.parametrize(
    ("damaged", "damage"),
    [
        ("data", cut(0)),
        ("data", cut(0.5)),
        ("data", flip_byte(0.3)),
        ("data", lambda content: content[:-1]),
        ("index", cut(0)),
        ("index", cut(0.5)),
        ("index", lambda content: random_bytes(len(content))),
        ("index", flip_byte(0.3)),
    ],
    ids=[
        "no data",
        "half of the data",
        "a flipped byte of the data",
        "a byte of the data is missing",
        "no index",
        "half an index",
        "rubbish",
        "a flipped byte of the index",
    ],
)
def test_a_saved_model_whose_variables_are_damaged(variables, request, tmp_path, damaged, damage):
    model = shutil.copytree(request.getfixturevalue(variables), tmp_path / "model")
    assert check_backbone(model) == Shapes(height=16, width=16, features=16)
    file = max(model.glob(f"variables/variables.{damaged}*"), key=lambda file: file.stat().st_size)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(InputError, match=f"{model}: this SavedModel cannot be loaded") as error:
        check_backbone(model)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("other", [{"width": 32, "mlp_dim": 64}, {"depth": 1}])
def test_a_saved_model_with_variables_of_another_model_is_refused(tiny_backbone, tmp_path, other):
    convert(random_arrays(dataclasses.replace(TINY, **other), seed=0), tmp_path / "other")
    model = shutil.copytree(tiny_backbone, tmp_path / "model")
    shutil.rmtree(model / "variables")
    shutil.copytree(tmp_path / "other" / "variables", model / "variables")
    with pytest.raises(InputError, match=f"{model}: this SavedModel cannot be loaded") as error:
        check_backbone(model)
    assert "\n" not in str(error.value)


def test_a_graph_that_refers_to_missing_objects(tiny_backbone, tmp_path):
    model = shutil.copytree(tiny_backbone, tmp_path / "model")
    saved = saved_model_pb2.SavedModel.FromString((model / "saved_model.pb").read_bytes())
    del saved.meta_graphs[0].object_graph_def.nodes[-3:]
    (model / "saved_model.pb").write_bytes(saved.SerializeToString())
    with pytest.raises(InputError, match=r"saved_model\.pb: corrupt SavedModel"):
        read_shapes(model)


def test_a_graph_with_an_unknown_operation_cannot_be_loaded(tiny_backbone, tmp_path):
    model = shutil.copytree(tiny_backbone, tmp_path / "model")
    saved = saved_model_pb2.SavedModel.FromString((model / "saved_model.pb").read_bytes())
    for function in saved.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            node.op = node.op.replace("MatMul", "MatPlus")
    (model / "saved_model.pb").write_bytes(saved.SerializeToString())
    with pytest.raises(InputError, match=r"cannot be loaded .*MatPlus") as error:
        load_backbone(model)
    assert "\n" not in str(error.value)


def test_a_saved_model_that_cannot_be_loaded(tiny_backbone, tmp_path):
    shutil.copytree(tiny_backbone, tmp_path / "model")
    shutil.rmtree(tmp_path / "model" / "variables")
    with pytest.raises(InputError, match="cannot be loaded"):
        load_backbone(tmp_path / "model")


def test_a_backbone_is_shared_only_inside_share_backbone(tiny_backbone):
    def is_kept():
        return load_shared_backbone(tiny_backbone) is load_shared_backbone(tiny_backbone)

    assert not is_kept()
    with share_backbone():
        assert is_kept()
        kept = weakref.ref(load_shared_backbone(tiny_backbone))
    assert not is_kept()
    gc.collect()
    assert kept() is None


def test_a_saved_model_without_the_interface(tmp_path):
    module = tf.Module()
    module.weight = tf.Variable(1.0)
    tf.saved_model.save(module, str(tmp_path))
    with pytest.raises(
        InputError, match="has no __call__, variables, trainable_variables"
    ) as error:
        read_shapes(tmp_path)
    assert "\n" not in str(error.value)


IMAGES = tf.TensorSpec([None, 8, 8, 3], tf.float32)


def means(images):
    return tf.reduce_mean(images, [1, 2])


def save(directory, *, function=means, spec=IMAGES, **lists):
    """Writes a SavedModel of `function` with one variable.

    Each keyword argument in `lists` replaces the list in the model's attribute of the same name,
    such as `variables`.
    """

    class Model(tf.Module):
        # tf.Module defines these attributes as Python properties, which can be neither assigned nor
        # saved. Ordinary attributes can contain lists, which `save` assigns.
        variables = trainable_variables = None

        @tf.function(input_signature=[spec])
        def __call__(self, images):
            return function(images)

    model = Model()
    model.kept = [tf.Variable(1.0)]
    own = {"variables": model.kept, "trainable_variables": model.kept, "regularization_losses": []}
    for name, value in (own | lists).items():
        setattr(model, name, value)
    tf.saved_model.save(model, str(directory))
    return directory


@pytest.mark.parametrize(
    ("function", "spec", "found"),
    [
        (lambda x: x, tf.TensorSpec([None, 8], tf.float32), r"float32 \(None, 8\) -> float32 "),
        (means, tf.TensorSpec([None, None, None, 3], tf.float32), r"\(None, None, None, 3\) -> "),
        (lambda x: x, IMAGES, r"-> float32 \(None, 8, 8, 3\)"),
        (
            lambda x: means(tf.cast(x, tf.float32)),
            tf.TensorSpec([None, 8, 8, 3], tf.uint8),
            r"uint8 \(None, 8, 8, 3\) -> float32 \(None, 3\)",
        ),
        (lambda x: tf.cast(means(x), tf.float16), IMAGES, r"-> float16 \(None, 3\)"),
        (lambda x: {"features": means(x)}, IMAGES, "no tensor"),
    ],
    ids=["no images", "no fixed size", "no vectors", "bytes", "half precision", "a dictionary"],
)
def test_a_call_function_with_other_shapes_is_refused(tmp_path, function, spec, found):
    save(tmp_path, function=function, spec=spec)
    with pytest.raises(InputError, match=f"functions of this SavedModel map .*{found}") as error:
        read_shapes(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("variables", tf.Variable(1.0), "a list of variables"),
        ("trainable_variables", tf.Variable(1.0), "a list of variables"),
        ("variables", [tf.Module()], "a list of variables"),
        ("regularization_losses", [tf.Variable(1.0)], "a list of functions"),
    ],
)
def test_interface_lists_of_another_type_are_refused(tmp_path, name, value, expected):
    save(tmp_path, **{name: value}, other=value)
    with pytest.raises(InputError, match=f"{tmp_path}: .*, {name} is not {expected}") as error:
        read_shapes(tmp_path)
    assert "\n" not in str(error.value)


def test_a_backbone_without_trainable_variables_can_be_used_but_not_tuned(tmp_path, tiny_backbone):
    """For example, the published ViT classifiers on TF-Hub have no trainable variables."""
    save(tmp_path, trainable_variables=[])
    assert read_shapes(tmp_path) == Shapes(height=8, width=8, features=3)
    with pytest.raises(InputError, match=f"{tmp_path}: .* --tune head") as error:
        check_tunable(tmp_path)
    assert "\n" not in str(error.value)
    check_tunable(tiny_backbone)


def test_regularization_losses(tmp_path):
    loss = tf.function(lambda: tf.constant(1.0), input_signature=[])
    save(tmp_path, regularization_losses=[loss])
    assert read_shapes(tmp_path).features == 3
    assert load_backbone(tmp_path).regularization_losses[0]() == 1
