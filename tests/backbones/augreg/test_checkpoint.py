import numpy as np
import pytest

from backbones.augreg.architecture import Architecture
from backbones.augreg.checkpoint import infer_architecture, load_checkpoint, published_layout
from backbones.augreg.initialization import random_arrays
from backbones.augreg.npz import CheckpointError

TINY = {"image_size": 64, "width": 48, "depth": 2, "heads": 3, "mlp_dim": 96, "classes": 7}
GOLDEN = {
    "tiny_plain": Architecture(**TINY, patch_size=16),
    "tiny_prelogits": Architecture(**TINY, patch_size=16, representation_size=40),
    "tiny_hybrid": Architecture(**TINY, patch_size=1, resnet_blocks=(2, 1, 1, 1), width_factor=0.5),
}
TODAYS_NAMES = {
    "LayerNorm_2": "LayerNorm_1",
    "MultiHeadDotProductAttention_1": "MultiHeadDotProductAttention_0",
    "MlpBlock_3": "MlpBlock_0",
}


def to_linen_layout(arrays):
    """Returns the checkpoint with the names and shapes that today's Flax code writes."""
    today = {}
    for name, array in arrays.items():
        parts = [TODAYS_NAMES.get(part, part) for part in name.split("/")]
        is_group_norm = parts[-2:-1] and parts[-2].startswith("gn")
        today["/".join(parts)] = array.reshape(-1) if is_group_norm else array
    return today


def error(arrays):
    with pytest.raises(CheckpointError) as raised:
        published_layout(arrays)
    message = str(raised.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", GOLDEN)
def test_reads_the_architecture(name, checkpoint_path):
    assert infer_architecture(load_checkpoint(checkpoint_path(name))) == GOLDEN[name]


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture(image_size=64, patch_size=8, width=32, depth=3, heads=2, mlp_dim=64),
        Architecture(
            image_size=64, patch_size=8, width=32, depth=1, heads=2, mlp_dim=64, resnet_blocks=()
        ),
        Architecture(
            image_size=96,
            patch_size=2,
            width=32,
            depth=11,
            heads=4,
            mlp_dim=8,
            resnet_blocks=(3, 1),
            representation_size=5,
            classes=21843,
        ),
    ],
)
def test_reads_any_architecture(architecture):
    arrays = random_arrays(architecture, seed=0)
    assert infer_architecture(published_layout(arrays)) == architecture
    assert infer_architecture(published_layout(to_linen_layout(arrays))) == architecture


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("as_written", [dict, to_linen_layout])
def test_changes_no_values(name, as_written, checkpoint):
    original = checkpoint(name)
    arrays = published_layout(as_written(original))
    assert arrays.keys() == original.keys()
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, original[key])


@pytest.mark.parametrize("name", GOLDEN)
def test_each_missing_array_is_named(name, checkpoint):
    original = checkpoint(name)
    for missing in original:
        arrays = {key: array for key, array in original.items() if key != missing}
        assert f"array '{missing}' is missing" in error(arrays)


@pytest.mark.parametrize("name", GOLDEN)
def test_each_misnamed_array_is_named(name, checkpoint):
    original = checkpoint(name)
    for misnamed in original:
        arrays = {key + "X" * (key == misnamed): array for key, array in original.items()}
        assert f"array '{misnamed}' is missing" in error(arrays)


SIZES = {
    "embedding/kernel",
    "gn_root/scale",
    "Transformer/posembed_input/pos_embedding",
    "Transformer/encoder_norm/scale",
    "Transformer/encoderblock_0/MultiHeadDotProductAttention_1/query/bias",
    "Transformer/encoderblock_0/MlpBlock_3/Dense_0/bias",
    "pre_logits/bias",
    "head/bias",
}
MISSHAPES = {
    "shorter along the last axis": lambda array: array[..., :-1],
    "shorter along the first axis": lambda array: array[:-1],
    "longer": lambda array: np.concatenate([array, array], axis=-1),
    "one axis more": lambda array: array[None],
    "a scalar": lambda array: array.max(),
    "transposed": lambda array: array.T,
}


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("misshape", MISSHAPES.values(), ids=MISSHAPES)
def test_each_misshapen_array_is_named(name, misshape, checkpoint):
    original = checkpoint(name)
    for key, array in original.items():
        misshapen = misshape(array)
        if misshapen.shape != array.shape:
            message = error({**original, key: misshapen})
            # The loader infers the sizes of the model from the arrays in SIZES. From a misshapen
            # array in SIZES, the loader infers a wrong size, so the message may name a correct
            # array that does not match the wrong size.
            assert f"'{key}'" in message or key in SIZES


def test_unexpected_array(checkpoint):
    message = error(checkpoint("tiny_plain") | {"optimizer/step": np.zeros(1, np.float32)})
    assert "array 'optimizer/step' is unexpected" in message


def test_a_name_with_a_line_break_takes_one_line(checkpoint):
    message = error(checkpoint("tiny_plain") | {"evil\nname": np.zeros(1, np.float32)})
    assert r"array 'evil\nname' is unexpected" in message


def test_message_has_the_wrong_name_of_an_array(checkpoint):
    arrays = checkpoint("tiny_plain")
    arrays["head/kernels"] = arrays.pop("head/kernel")
    assert "array 'head/kernel' is missing and array 'head/kernels' is unexpected" in error(arrays)


def test_missing_block(checkpoint):
    arrays = {
        name: array
        for name, array in checkpoint("tiny_plain").items()
        if "encoderblock_0" not in name
    }
    message = error(arrays)
    assert message.startswith("array 'Transformer/encoderblock_0/")
    assert " is missing" in message


def test_mixed_names_of_two_layouts_are_refused(checkpoint):
    arrays = checkpoint("tiny_plain")
    name = "Transformer/encoderblock_0/LayerNorm_1/scale"
    arrays[name] = arrays["Transformer/encoderblock_0/LayerNorm_2/scale"]
    assert f"array '{name}' is unexpected" in error(arrays)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(value, checkpoint, tmp_path):
    arrays = checkpoint("tiny_plain")
    arrays["head/kernel"][3, 2:4] = value
    np.savez(tmp_path / "model.npz", **arrays)
    expected = r"model\.npz: array 'head/kernel' has 2 values that are NaN or infinite"
    with pytest.raises(CheckpointError, match=expected):
        load_checkpoint(tmp_path / "model.npz")


def test_other_types(checkpoint):
    arrays = checkpoint("tiny_plain")
    arrays["cls"] = arrays["cls"].astype(np.float64)
    assert "array 'cls' is float64, expected float32" in error(arrays)


def test_a_number_of_positions_that_is_no_square(checkpoint):
    arrays = checkpoint("tiny_plain")
    name = "Transformer/posembed_input/pos_embedding"
    arrays[name] = arrays[name][:, :-1]
    assert f"array '{name}' has 16 positions, expected" in error(arrays)


def test_contradictory_sizes_are_refused(checkpoint):
    arrays = checkpoint("tiny_plain")
    arrays["head/bias"] = arrays["head/bias"][:5]
    message = error(arrays)
    assert "array 'head/kernel' has shape (48, 7), expected (48, 5) to fit" in message


def test_no_checkpoint_at_all():
    assert "array 'embedding/kernel' is missing" in error({"x": np.zeros(3)})
    assert "array 'embedding/kernel' is missing" in error({})


def test_the_message_names_the_file(tmp_path):
    np.savez(tmp_path / "model.npz", x=np.zeros(3))
    with pytest.raises(CheckpointError, match=r"model\.npz: array 'embedding/kernel' is missing"):
        load_checkpoint(tmp_path / "model.npz")
