"""The optimizer, its learning-rate schedule, and factors on the rate of single variables."""

import math
import re
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from common.errors import InputError
from trainer.training.hyperparameters import Hyperparameters

_BLOCK = re.compile(r"([a-z]*(?:block|layer|stage|encoder)s?[_.]?)(\d+)", re.IGNORECASE)
# Variables without weight decay: biases, norms and tokens are recognised by the last part of their
# names, as Keras and Flax give them; embeddings by any part.
_UNDECAYED = re.compile(
    r"(bias|beta|gamma|scale|offset|mean|variance|tokens?|(^|[/_])cls)$|pos[a-z]*_?emb|"
    r"class_emb|relative_pos",
    re.IGNORECASE,
)
_KERNEL = re.compile(r"(kernel|weights?)$", re.IGNORECASE)


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises linearly to the peak, then falls to 0 or stays at the peak."""

    def __init__(
        self, peak: float, warmup: int, total: int, shape: str, *, start: float = 0.0
    ) -> None:
        """
        Args:
          peak: the highest learning rate.
          warmup: the number of warm-up steps.
          total: the number of steps of the training.
          shape: the curve after warm-up: "cosine", "linear" or "constant".
          start: the learning rate at the start of warm-up, as a fraction of the peak.
        """
        self._peak, self._warmup, self._total, self._shape = peak, warmup, total, shape
        self._start = start

    def __call__(self, step: Any) -> tf.Tensor:
        """Returns the learning rate, float32 [], of the step that follows `step` other steps."""
        step = tf.cast(step, tf.float32)
        rising = self._start + (1 - self._start) * step / max(self._warmup, 1)
        done = tf.clip_by_value((step - self._warmup) / max(self._total - self._warmup, 1), 0, 1)
        falling = {
            "cosine": 0.5 + 0.5 * tf.cos(math.pi * done),
            "linear": 1 - done,
            "constant": tf.ones_like(done),
        }[self._shape]
        return self._peak * tf.where(step < self._warmup, rising, falling)


class _PerVariable:
    """A base class that adds learning rates and weight decay of single variables to an optimizer.

    A subclass inherits from it first, and from an optimizer of Keras second. Its gradients must
    already be summed over all replicas, because they are clipped before the update, and clipping
    needs the sum.
    """

    _rates: Sequence[float] = ()
    _decays: Sequence[float] = ()

    def set_rates(self, rates: Sequence[float], decays: Sequence[float]) -> None:
        """
        Args:
          rates: a factor on the learning rate for each variable, in the order of `build`.
          decays: the weight decay of each variable, in the same order.
        """
        self._rates, self._decays = tuple(rates), tuple(decays)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)  # type: ignore[attr-defined]
        rate = learning_rate * self._rates[index]
        if self._decays[index]:
            variable.assign_sub(variable * (rate * self._decays[index]))
        super().update_step(gradient, variable, rate)  # type: ignore[misc]

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return grads_and_vars


class SGD(_PerVariable, keras.optimizers.SGD):
    """SGD with momentum."""


class AdamW(_PerVariable, keras.optimizers.Adam):
    """Adam with decoupled weight decay."""


def make_optimizer(
    hyperparameters: Hyperparameters,
    schedule: Schedule,
    variables: Sequence[keras.Variable],
    head: Sequence[keras.Variable],
) -> keras.optimizers.Optimizer:
    """Makes and builds the optimizer. For mixed_float16, it is wrapped to scale the loss.

    Args:
      hyperparameters: the kind of optimizer, and its rates.
      schedule: the learning rate.
      variables: all trained variables.
      head: the variables among them that belong to the head.

    Raises:
      InputError: `train.layer_decay` is not 1, and the backbone has no numbered blocks.
    """
    averaging = {"use_ema": True, "ema_momentum": hyperparameters.ema}
    if hyperparameters.ema is None:
        averaging = {}
    if hyperparameters.optimizer == "sgd":
        optimizer = SGD(schedule, momentum=hyperparameters.momentum, **averaging)
    else:
        optimizer = AdamW(schedule, **averaging)
    optimizer.build(variables)
    own = {id(variable) for variable in head}
    optimizer.set_rates(
        rates=[
            hyperparameters.head_rate if id(variable) in own else rate
            for variable, rate in zip(
                variables,
                layer_rates([v.name for v in variables], hyperparameters.layer_decay),
                strict=True,
            )
        ],
        decays=[
            hyperparameters.weight_decay * is_decayed(v.name, tuple(v.shape)) for v in variables
        ],
    )
    if hyperparameters.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(variables)
    return optimizer


def layer_rates(names: Sequence[str], decay: float) -> list[float]:
    """Returns a factor on the learning rate for each variable of a backbone (layer decay).

    Blocks are recognised by names such as `encoderblock_3`, `block_12_expand` or `layer4`. Blocks
    of one kind are ordered by their numbers, the kinds by their first appearance. Variables between
    two blocks belong to the block before them; variables above all blocks have factor 1.

    Args:
      names: the names of the variables, in the order of the forward pass.
      decay: the factor from each block to the block below it.

    Raises:
      InputError: `decay` is not 1, and no name contains the number of a block.
    """
    if decay == 1:
        return [1.0] * len(names)
    matches = [_BLOCK.search(name) for name in names]
    found = [(match[1], int(match[2])) if match else None for match in matches]
    kinds = list(dict.fromkeys(block[0] for block in found if block))
    blocks = sorted(set(filter(None, found)), key=lambda block: (kinds.index(block[0]), block[1]))
    if not blocks:
        raise InputError(
            "train.layer_decay: no variable of this backbone has a block's number in its name; "
            "expected names such as block_1; set train.layer_decay to 1"
        )
    last = max(index for index, block in enumerate(found) if block)
    depths, depth = [], 0
    for index, block in enumerate(found):
        if block:
            depth = blocks.index(block) + 1
        depths.append(depth if index <= last else len(blocks) + 1)
    return [decay ** (len(blocks) + 1 - depth) for depth in depths]


def is_decayed(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a variable gets weight decay: biases, norms, tokens and position embeddings do not.

    Biases of AugReg's attention are matrices, [heads, D / heads], so they are recognised by their
    names. If the name does not decide, the shape does: group norms of AugReg's ResNets are
    [1, 1, 1, C]; tokens and embeddings are [1, N, D].

    Args:
      name: the name of the variable, such as `block_1/kernel`.
      shape: the shape of the variable.
    """
    if _UNDECAYED.search(name):
        return False
    is_vector = math.prod(shape[:-1]) == 1
    is_token = len(shape) == 3 and shape[0] == 1 and not _KERNEL.search(name)
    return not (is_vector or is_token)
