"""Tests of attention with cuDNN's kernels, which run only on GPUs.

On the CPU, a stand-in replaces the kernels. The stand-in computes what the kernels compute
according to the source code of JAX, which calls the same kernels
(jax/_src/cudnn/fused_attention_stablehlo.py). One test compares the kernel calls in the compiled
program with those of JAX 0.9.0.
"""

import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from backbones.augreg.architecture import Architecture
from backbones.augreg.convert import convert
from backbones.augreg.initialization import random_arrays
from backbones.contract import Shapes, call_backbone, load_backbone
from trainer.model import fused_attention
from trainer.model.classifier import make_classifier
from trainer.model.cudnn_attention import has_kernels
from trainer.model.fused_attention import fuse_attention
from trainer.model.xla import compile_with_xla
from trainer.training import train_step
from trainer.training.hyperparameters import Hyperparameters
from trainer.training.optimizer import Schedule
from trainer.training.train_step import Stepper

SMALL = Architecture(
    image_size=32, patch_size=8, width=64, depth=3, heads=4, mlp_dim=64, classes=None,
    representation_size=None, resnet_blocks=None,
)  # fmt: skip
JAX = {
    "forward": {
        "bmm1_dot_dimension_numbers": ("3", "3", ["0", "2"], ["0", "2"]),
        "bmm2_dot_dimension_numbers": ("3", "1", ["0", "1"], ["0", "2"]),
    },
    "backward": {
        "bmm1_grad_gemm1_dot_dimension_numbers": ("2", "1", ["0", "1"], ["0", "2"]),
        "bmm1_grad_gemm2_dot_dimension_numbers": ("3", "1", ["0", "1"], ["0", "2"]),
        "bmm2_grad_gemm1_dot_dimension_numbers": ("2", "1", ["0", "1"], ["0", "2"]),
        "bmm2_grad_gemm2_dot_dimension_numbers": ("3", "3", ["0", "2"], ["0", "2"]),
    },
}


@pytest.fixture(scope="module")
def backbones(tmp_path_factory):
    """Writes the same backbone in two precisions, and returns a directory for each precision. The
    backbone's attention is uneven."""
    folder = tmp_path_factory.mktemp("backbones")
    arrays = random_arrays(SMALL, seed=0)
    for name in arrays:
        if name.endswith(("query/kernel", "key/kernel")):
            arrays[name] = 8 * arrays[name]
    directories = {}
    for precision in ("float32", "mixed_bfloat16"):
        directories[precision] = folder / precision
        convert(arrays, directories[precision], precision=precision)
    return directories


def concrete(backbone, batch=2):
    call = tf.function(lambda images: call_backbone(backbone, images))
    return call.get_concrete_function(tf.TensorSpec([batch, 32, 32, 3]))


def images(batch=2):
    return tf.random.stateless_uniform([batch, 32, 32, 3], [0, 1], -1, 1)


def as_cudnn_forward(scale, query, key, value):
    query, key, value = (tf.cast(tensor, tf.float32) for tensor in (query, key, value))
    scores = scale * tf.einsum("btnh,bsnh->bnts", query, key)
    output = tf.einsum("bnts,bsnh->btnh", tf.nn.softmax(scores), value)
    return [tf.cast(output, tf.bfloat16), tf.reduce_logsumexp(scores, axis=-1)]


def as_cudnn_backward(scale, *operands):
    operands = (tf.cast(operand, tf.float32) for operand in operands)
    query, key, value, statistics, gradient, output = operands
    scores = scale * tf.einsum("btnh,bsnh->bnts", query, key)
    attention = tf.exp(scores - statistics[..., None])
    mean = tf.einsum("btnh,btnh->bnt", gradient, output)[..., None]
    d_scores = attention * (tf.einsum("btnh,bsnh->bnts", gradient, value) - mean) * scale
    gradients = (
        tf.einsum("bnts,bsnh->btnh", d_scores, key),
        tf.einsum("bnts,btnh->bsnh", d_scores, query),
        tf.einsum("bnts,btnh->bsnh", attention, gradient),
    )
    return [tf.cast(tensor, tf.bfloat16) for tensor in gradients]


def test_features_and_gradients_agree_with_the_plain_backbone(backbones, monkeypatch):
    monkeypatch.setattr(fused_attention, "forward", as_cudnn_forward)
    monkeypatch.setattr(fused_attention, "backward", as_cudnn_backward)
    backbone = load_backbone(backbones["mixed_bfloat16"])
    exact = load_backbone(backbones["float32"])
    fused = fuse_attention(concrete(backbone))
    results = []
    for call, variables in (
        (concrete(exact), exact.trainable_variables),
        (concrete(backbone), backbone.trainable_variables),
        (fused, backbone.trainable_variables),
    ):
        with tf.GradientTape() as tape:
            features = call(images())
            loss = tf.reduce_sum(features**2)
        gradients = tape.gradient(loss, list(variables))
        results.append([features, *(g for g in gradients if g is not None)])
    exact, unfused, fused = ([np.asarray(t).ravel() for t in result] for result in results)
    assert len(exact) == len(unfused) == len(fused) > 40

    def distance(found):
        difference = np.concatenate(found) - np.concatenate(exact)
        return np.linalg.norm(difference) / np.linalg.norm(np.concatenate(exact))

    assert distance(fused) < 1.2 * distance(unfused) + 1e-4
    # If all gradients were zero, their agreement would prove nothing.
    assert max(np.linalg.norm(g) for g in exact[1:]) > 0


def test_all_blocks_but_the_last_are_fused(backbones, monkeypatch):
    """The last block does not call the kernels, because it computes only one query per image."""
    monkeypatch.setattr(fused_attention, "forward", as_cudnn_forward)
    calls = []
    attend = fused_attention._attend
    monkeypatch.setattr(
        fused_attention, "_attend", lambda *given: (calls.append(given), attend(*given))[1]
    )
    backbone = load_backbone(backbones["mixed_bfloat16"])
    fuse_attention(concrete(backbone))
    assert [(scale, tuple(query.shape)) for scale, query, *_ in calls] == [
        (0.25, (2, 17, 4, 16))
    ] * (SMALL.depth - 1)


def test_a_backbone_in_float32_is_unchanged(backbones):
    backbone = load_backbone(backbones["float32"])
    function = concrete(backbone)
    fused = fuse_attention(function)
    assert not [op for op in fused.graph.get_operations() if op.type == "XlaCallModule"]
    np.testing.assert_array_equal(fused(images()), function(images()))


def test_calls_are_those_of_jax(backbones):
    backbone = load_backbone(backbones["mixed_bfloat16"])
    fused = fuse_attention(concrete(backbone))

    @compile_with_xla
    def step(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(fused(images) ** 2)
        return [loss, *tape.gradient(loss, list(backbone.trainable_variables))]

    program = step.experimental_get_compiler_ir(images())(stage="hlo")
    calls = [line for line in program.splitlines() if "__cudnn$" in line]
    rows, statistics = "bf16[2,17,4,16]{3,2,1,0}", "f32[2,4,17]{2,1,0}"
    result = "bf16[2,4,17,16]{3,1,2,0}"
    assert len(calls) == 2 * (SMALL.depth - 1)
    for call in calls:
        is_backward = 'custom_call_target="__cudnn$fmhaSoftmaxBackward"' in call
        (operands,) = re.findall(r"operand_layout_constraints={(.*?})}", call)
        (results,) = re.findall(r"= \((.*?)\) custom-call", call)
        config = json.loads(call[call.index("backend_config=") + len("backend_config=") :])
        attention = config["cudnn_fmha_backend_config"]
        if is_backward:
            assert operands == ", ".join([rows] * 3 + [statistics] + [rows] * 2)
            assert results == ", ".join([result] * 3 + ["u8[0]{0}"])
        else:
            assert 'custom_call_target="__cudnn$fmhaSoftmax"' in call
            assert operands == ", ".join([rows] * 3)
            assert results == ", ".join([result, statistics, "u8[0]{0}"])
        dimensions = {
            name: (
                *value["lhs_contracting_dimensions"],
                *value["rhs_contracting_dimensions"],
                value["lhs_batch_dimensions"],
                value["rhs_batch_dimensions"],
            )
            for name, value in attention.items()
            if name.endswith("_dot_dimension_numbers")
        }
        assert dimensions == JAX["backward" if is_backward else "forward"]
        assert attention["fmha_scale"] == 0.25
        assert attention["intermediate_tensor_shape"]["dimensions"] == ["2", "4", "17", "17"]
        assert attention["intermediate_tensor_shape"]["element_type"] == "BF16"
        assert attention["mask_type"] == "NO_MASK" and attention["is_flash_attention"]


def test_training_continues_without_the_kernels(backbones, monkeypatch, caplog):
    """A CPU cannot run cuDNN's kernels, so the training falls back to the plain step."""
    ways = {True: [train_step._FUSED, train_step._PLAIN], False: [train_step._PLAIN]}
    monkeypatch.setattr(train_step, "_variants", lambda given: list(ways[given.fused_attention]))
    losses = {}
    for fuses in (True, False):
        keras.utils.set_random_seed(0)
        stepper = Stepper(
            make_classifier(load_backbone(backbones["mixed_bfloat16"]), Shapes(32, 32, 64), 2),
            Schedule(0.1, 0, 2, "constant"),
            Hyperparameters(batch_size=4, fused_attention=fuses),
            class_weights=None,
            strategy=tf.distribute.get_strategy(),
        )
        batch = [(images(4), tf.one_hot([0, 1, 0, 1], 2))]
        losses[fuses] = [float(stepper.step(batch).loss) for _ in range(2)]
    assert losses[True] == losses[False]
    (message,) = [r.getMessage() for r in caplog.records if "cuDNN" in r.getMessage()]
    assert message.startswith(
        "The training step cannot be compiled with XLA and cuDNN's attention; training continues "
        "without XLA: "
    )


def test_an_option_without_effect_gives_a_warning(backbones, caplog):
    Stepper(
        make_classifier(load_backbone(backbones["mixed_bfloat16"]), Shapes(32, 32, 64), 2),
        Schedule(0.1, 0, 2, "constant"),
        Hyperparameters(batch_size=4, fused_attention=True),
        class_weights=None,
        strategy=tf.distribute.get_strategy(),
    )
    assert "train.fused_attention has no effect" in caplog.text


@pytest.mark.parametrize(
    ("given", "fuses"),
    [
        ({}, True),
        ({"jit_compile": True}, True),
        ({"jit_compile": False}, False),
        ({"deterministic": True}, False),
        ({"deterministic": True, "fused_attention": True}, True),
        ({"fused_attention": False}, False),
    ],
)
def test_the_kernels_are_the_default_where_a_gpu_has_them(monkeypatch, given, fuses):
    monkeypatch.setattr(train_step, "has_kernels", lambda: True)
    monkeypatch.setattr(train_step.tf.config, "list_logical_devices", lambda kind: [kind])
    ways = train_step._variants(Hyperparameters(**given))
    assert (ways[0] is train_step._FUSED) == fuses
    assert train_step._FUSED not in ways[1:]


@pytest.mark.skipif(not has_kernels(), reason="no GPU with cuDNN's kernels")
def test_the_kernels_compute_attention():
    """The kernels return the same outputs and gradients as attention in float32, except for the
    rounding of bfloat16 (0.3 %)."""
    tensors = [
        tf.cast(tf.random.stateless_normal([4, 197, 6, 64], [k, 0]), tf.bfloat16) for k in range(4)
    ]

    def attend_exactly(*rows):
        query, key, value = (tf.transpose(tf.cast(x, tf.float32), [0, 2, 1, 3]) for x in rows)
        weights = tf.nn.softmax(tf.matmul(query * 0.125, key, transpose_b=True))
        return tf.transpose(weights @ value, [0, 2, 1, 3])

    def differentiate(attend):
        @tf.function(jit_compile=True)
        def run(query, key, value, gradient):
            with tf.GradientTape() as tape:
                tape.watch([query, key, value])
                output = tf.cast(attend(query, key, value), tf.float32)
                product = tf.reduce_sum(output * tf.cast(gradient, tf.float32))
            return [output, *tape.gradient(product, [query, key, value])]

        return [tf.cast(x, tf.float32).numpy() for x in run(*tensors)]

    fused = differentiate(lambda *rows: fused_attention._attend(0.125, *rows))
    for found, expected in zip(fused, differentiate(attend_exactly), strict=True):
        assert np.linalg.norm(found - expected) < 0.01 * np.linalg.norm(expected)
