import dataclasses
import subprocess
import sys

import pytest

from backbones.augreg.architecture import Architecture
from common.errors import InputError


def vit(patch_size, width, depth, heads, **others):
    others = {"image_size": 224, "classes": 1000} | others
    return Architecture(
        patch_size=patch_size, width=width, depth=depth, heads=heads, mlp_dim=4 * width, **others
    )


S16 = vit(16, 384, 12, 6)
R_TI16 = vit(8, 192, 12, 3, resnet_blocks=())
R26_S32 = vit(1, 384, 12, 6, resnet_blocks=(2, 2, 2, 2))


@pytest.mark.parametrize(
    ("architecture", "stride", "tokens"),
    [
        (S16, 16, 197),
        (vit(8, 768, 12, 12), 8, 785),
        (vit(16, 384, 12, 6, image_size=384), 16, 577),
        (R26_S32, 32, 50),
        (R_TI16, 32, 50),
    ],
)
def test_tokens(architecture, stride, tokens):
    assert (architecture.stride, architecture.tokens) == (stride, tokens)
    shapes = architecture.array_shapes()
    assert shapes["Transformer/posembed_input/pos_embedding"] == (1, tokens, architecture.width)


def test_a_hybrid_may_have_only_a_root():
    shapes = R_TI16.array_shapes()
    assert shapes["conv_root/kernel"] == (7, 7, 3, 64)
    assert shapes["embedding/kernel"] == (8, 8, 64, 192)
    assert not any(name.startswith("block") for name in shapes)


def test_the_representation_layer_lies_between_encoder_and_head():
    architecture = vit(16, 384, 12, 6, representation_size=40)
    assert architecture.feature_width == 40
    assert architecture.array_shapes()["pre_logits/kernel"] == (384, 40)
    assert architecture.array_shapes()["head/kernel"] == (40, 1000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_size": 225}, "image size 225: expected a positive multiple .* example 224"),
        ({"image_size": 0}, "image size 0: expected a positive multiple .* example 16"),
        ({"heads": 7}, "7 attention heads do not divide a width of 384"),
        ({"resnet_blocks": (), "patch_size": 7, "width_factor": 0.3}, "width factor 0.3"),
    ],
)
def test_contradictions_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(S16, **change)


def test_imports_neither_tensorflow_nor_numpy():
    code = (
        "import sys, backbones.augreg.architecture;"
        "sys.exit(bool({'tensorflow', 'numpy'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
