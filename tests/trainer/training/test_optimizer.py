import keras
import numpy as np
import pytest
import tensorflow as tf

from backbones.catalogue import MODELS
from common.errors import InputError
from trainer.training.hyperparameters import Hyperparameters
from trainer.training.optimizer import Schedule, is_decayed, layer_rates, make_optimizer


def rates_of(shape, steps, warmup=10, total=110, **options):
    return [float(Schedule(0.03, warmup, total, shape, **options)(step)) for step in steps]


def test_warm_up_and_cosine():
    rates = rates_of("cosine", (0, 5, 10, 60, 110))
    np.testing.assert_allclose(rates, [0, 0.015, 0.03, 0.015, 0], atol=1e-6)


def test_warm_up_from_a_share_of_the_peak():
    rates = rates_of("cosine", (0, 5, 10), start=0.2)
    np.testing.assert_allclose(rates, [0.006, 0.018, 0.03], atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "rates"), [("linear", [0.03, 0.015, 0]), ("constant", [0.03, 0.03, 0.03])]
)
def test_other_schedules(shape, rates):
    np.testing.assert_allclose(rates_of(shape, (10, 60, 110)), rates, atol=1e-6)


def test_a_schedule_without_warm_up():
    np.testing.assert_allclose(rates_of("cosine", (0, 110), warmup=0), [0.03, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"warmup_steps": 10}, 10),
        ({"warmup_steps": 70}, 70),
        ({"warmup_steps": 100}, 80),  # at most half of the 160 training steps
        ({"warmup_epochs": 2.5}, 50),
        ({"steps": 1}, 0),
    ],
)
def test_length_of_the_warm_up(changes, expected):
    assert Hyperparameters(epochs=8, batch_size=5, **changes).warmup(100) == expected


def test_total_number_of_steps():
    hyperparameters = Hyperparameters(epochs=3, batch_size=4)
    assert hyperparameters.steps_per_epoch(9) == 2
    assert hyperparameters.total_steps(9) == 7
    assert Hyperparameters(steps=5).total_steps(9) == 5


def make_variables(shapes, head=(), rate=0.1, **changes):
    """Returns variables that contain only ones, and an optimizer with a constant learning rate."""
    variables = [
        keras.Variable(np.ones(shape, np.float32), name=name) for name, shape in shapes.items()
    ]
    schedule = Schedule(rate, 0, 1, "constant")
    heads = [variable for variable in variables if variable.name in head]
    return variables, make_optimizer(Hyperparameters(**changes), schedule, variables, heads)


def steps_of(shapes, gradient=1.0, **changes):
    """Returns the decrease of each variable in one step, by name."""
    variables, optimizer = make_variables(shapes, **changes)
    optimizer.apply([tf.fill(v.shape, gradient) for v in variables], variables)
    return {v.name: 1 - float(np.mean(v)) for v in variables}


def test_momentum_adds_up_the_steps_before():
    (weight,), optimizer = make_variables({"kernel": (2,)}, momentum=0.9)
    for _ in range(3):
        optimizer.apply([tf.ones([2])], [weight])
    np.testing.assert_allclose(weight, 1 - 0.1 * (1 + 1.9 + 2.71), rtol=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_weight_decay_leaves_vectors_and_tokens_alone(optimizer):
    shapes = {
        "kernel": (4, 4),
        "convolution": (1, 1, 4, 4),
        "out_of_one_head_kernel": (1, 4, 4),
        "bias": (4,),
        "query_bias": (2, 2),
        "embeddings_position_embeddings": (5, 4),
        "relative_position_bias_table": (9, 2),
        "group_norm": (1, 1, 1, 4),
        "cls": (1, 1, 4),
        "position": (1, 5, 4),
    }
    steps = steps_of(shapes, gradient=0.0, optimizer=optimizer, weight_decay=0.5)
    decayed = {"kernel", "convolution", "out_of_one_head_kernel"}
    assert steps == {name: pytest.approx(0.05 * (name in decayed), abs=1e-7) for name in shapes}


@pytest.mark.parametrize("model", ["vit_mini_fe", "vit_r26_s32_medaug_classification"])
def test_every_kernel_of_a_vit_is_decayed_and_nothing_else(model):
    shapes = MODELS[model].architecture.array_shapes()
    decayed = {name for name, shape in shapes.items() if is_decayed(name, shape)}
    assert decayed == {name for name in shapes if name.endswith("kernel")}


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_rates_of_the_head_and_of_blocks(optimizer):
    shapes = {"stem": (2,), "block_1": (2,), "block_2": (2,), "norm": (2,), "head": (2,)}
    changes = {"optimizer": optimizer, "layer_decay": 0.5, "head_rate": 10.0, "momentum": 0.0}
    steps = steps_of(shapes, head=("head",), rate=0.01, **changes)
    # With `layer_decay=0.5`, `norm` has the full learning rate, and each layer before `norm` has
    # half the learning rate of the layer after it. The head has a learning rate of its own.
    relative = {name: step / steps["norm"] for name, step in steps.items()}
    assert relative == {
        "stem": pytest.approx(0.125, rel=1e-3),
        "block_1": pytest.approx(0.25, rel=1e-3),
        "block_2": pytest.approx(0.5, rel=1e-3),
        "norm": 1,
        "head": pytest.approx(10, rel=1e-3),
    }


def test_a_decayed_rate_decays_weights_less():
    shapes = {"block_1": (2, 2), "top": (2, 2)}
    steps = steps_of(shapes, gradient=0.0, optimizer="adamw", weight_decay=0.1, layer_decay=0.5)
    assert steps["block_1"] == pytest.approx(steps["top"] / 2, rel=1e-3)


def test_layers_of_an_augreg_hybrid():
    names = list(MODELS["vit_r26_s32_medaug_fe"].architecture.array_shapes())
    rates = dict(zip(names, layer_rates(names, 0.5), strict=True))
    blocks = 4 + 12
    assert rates["conv_root/kernel"] == 0.5 ** (blocks + 1)
    assert rates["block1/unit1/conv1/kernel"] == 0.5**blocks
    assert rates["Transformer/encoderblock_0/LayerNorm_0/bias"] == 0.5**12
    assert rates["Transformer/encoderblock_11/MlpBlock_3/Dense_0/kernel"] == 0.5
    assert rates["Transformer/encoder_norm/scale"] == 1


def test_blocks_are_in_the_order_of_their_numbers():
    names = [f"transformer_encoder_{n}/kernel" for n in (0, 1, 10, 2)]
    assert layer_rates(names, 0.5) == [0.5**4, 0.5**3, 0.5, 0.5**2]


def test_layers_of_names_without_numbers():
    assert layer_rates(["kernel", "bias"], 1.0) == [1, 1]
    with pytest.raises(InputError, match=r"no variable .* has a block's number"):
        layer_rates(["kernel", "bias"], 0.5)


def test_moving_average():
    variables, optimizer = make_variables({"kernel": (1,)}, optimizer="sgd", momentum=0.0, ema=0.9)
    values = []
    for _ in range(3):
        optimizer.apply([tf.ones([1])], variables)
        values.append(float(variables[0].numpy()[0]))
    expected = values[0]
    for value in values[1:]:
        expected = 0.9 * expected + 0.1 * value
    assert float(optimizer._model_variables_moving_average[0].numpy()[0]) == pytest.approx(expected)
