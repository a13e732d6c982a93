"""The optimizer, its learning-rate schedule, and the factors on it that variables have."""

import math
import re
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from trainer.errors import InputError
from trainer.hyperparameters import Hyperparameters

_BLOCK = re.compile(r"[a-z]*(?:block|layer|stage)s?[_.]?\d+", re.IGNORECASE)


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up from a fifth of the peak, then down to 0, or on at the peak.

    0.006 to 0.03 over 10 steps, then cosine, in the collection's notebook.
    """

    def __init__(self, peak: float, warmup: int, total: int, shape: str) -> None:
        """
        Args:
          peak: learning rate.
          warmup: steps of warm-up.
          total: steps in all.
          shape: "cosine", "linear" or "constant".
        """
        self._peak, self._warmup, self._total, self._shape = peak, warmup, total, shape

    def __call__(self, step: Any) -> tf.Tensor:
        """Learning rate, float32 [], of the step that follows `step` others."""
        step = tf.cast(step, tf.float32)
        rising = 0.2 + 0.8 * step / max(self._warmup, 1)
        done = tf.clip_by_value((step - self._warmup) / max(self._total - self._warmup, 1), 0, 1)
        falling = {
            "cosine": 0.5 + 0.5 * tf.cos(math.pi * done),
            "linear": 1 - done,
            "constant": tf.ones_like(done),
        }[self._shape]
        return self._peak * tf.where(step < self._warmup, rising, falling)


class _PerVariable:
    """What this project's optimizers add to Keras's: rates and weight decay of single variables.

    They are given gradients that have been summed over all replicas already, since clipping comes
    before the update and needs the sum.
    """

    _rates: Sequence[float] = ()
    _decays: Sequence[float] = ()

    def set_rates(self, rates: Sequence[float], decays: Sequence[float]) -> None:
        """
        Args:
          rates: a factor on the learning rate for each variable, in the order of `build`.
          decays: weight decay of each, likewise.
        """
        self._rates, self._decays = tuple(rates), tuple(decays)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        rate = learning_rate * self._rates[index]
        if self._decays[index]:
            variable.assign_sub(variable * (rate * self._decays[index]))
        super().update_step(gradient, variable, rate)

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
    """The optimizer of `variables`, built; in float16, within one that scales the loss.

    Args:
      hyperparameters: which one, and its rates.
      schedule: of the learning rate.
      variables: all that are trained.
      head: those of them that are the head's.

    Raises:
      InputError: a layer decay is asked for, and the backbone has no numbered blocks.
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
        decays=[hyperparameters.weight_decay * is_matrix(tuple(v.shape)) for v in variables],
    )
    if hyperparameters.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(variables)
    return optimizer


def layer_rates(names: Sequence[str], decay: float) -> list[float]:
    """A factor on the learning rate for each variable of a backbone: `decay` to its depth.

    Blocks are told by their names (`encoderblock_3`, `block_12_expand`, `layer4`), in their order.
    What is between two blocks belongs to the one before, what is above all of them has factor 1.

    Args:
      names: of the variables, in the order of the backbone.
      decay: factor from each block to the one below.

    Raises:
      InputError: `decay` is not 1, and no name has a block's number in it.
    """
    if decay == 1:
        return [1.0] * len(names)
    found = [match.group() if (match := _BLOCK.search(name)) else None for name in names]
    blocks = list(dict.fromkeys(filter(None, found)))
    if not blocks:
        raise InputError(
            "train.layer_decay: the names of this backbone's variables number no blocks; expected "
            "names such as block_1; leave it at 1"
        )
    last = max(index for index, block in enumerate(found) if block)
    depths, depth = [], 0
    for index, block in enumerate(found):
        if block:
            depth = blocks.index(block) + 1
        depths.append(depth if index <= last else len(blocks) + 1)
    return [decay ** (len(blocks) + 1 - depth) for depth in depths]


def is_matrix(shape: tuple[int, ...]) -> bool:
    """Whether a variable is decayed: biases, norms, class tokens and position embeddings are not.

    Group norms of AugReg's ResNets are [1, 1, 1, C]; tokens and embeddings are [1, N, D].
    """
    is_vector = math.prod(shape[:-1]) == 1
    is_token = len(shape) == 3 and shape[0] == 1
    return not (is_vector or is_token)
