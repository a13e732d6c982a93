"""The optimizer, its learning-rate schedule, and the factors on it that variables have."""

import math
import re
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from common.errors import InputError
from trainer.training.hyperparameters import Hyperparameters

_BLOCK = re.compile(r"([a-z]*(?:block|layer|stage|encoder)s?[_.]?)(\d+)", re.IGNORECASE)
# By the last part of their names, Keras's and Flax's; and embeddings and tokens by any part.
_UNDECAYED = re.compile(
    r"(bias|beta|gamma|scale|offset|mean|variance|tokens?|(^|[/_])cls)$|pos[a-z]*_?emb|"
    r"class_emb|relative_pos",
    re.IGNORECASE,
)
_KERNEL = re.compile(r"(kernel|weights?)$", re.IGNORECASE)


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up to the peak, then down to 0, or on at the peak."""

    def __init__(
        self, peak: float, warmup: int, total: int, shape: str, *, start: float = 0.0
    ) -> None:
        """
        Args:
          peak: learning rate.
          warmup: steps of warm-up.
          total: steps in all.
          shape: "cosine", "linear" or "constant".
          start: what warm-up begins at, as a fraction of the peak.
        """
        self._peak, self._warmup, self._total, self._shape = peak, warmup, total, shape
        self._start = start

    def __call__(self, step: Any) -> tf.Tensor:
        """Learning rate, float32 [], of the step that follows `step` others."""
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
    """What this project's optimizers add to Keras's: rates and weight decay of single variables.

    They are given gradients that have been summed over all replicas already, since clipping comes
    before the update and needs the sum. It stands in front of an optimizer of Keras's.
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
        decays=[
            hyperparameters.weight_decay * is_decayed(v.name, tuple(v.shape)) for v in variables
        ],
    )
    if hyperparameters.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(variables)
    return optimizer


def layer_rates(names: Sequence[str], decay: float) -> list[float]:
    """A factor on the learning rate for each variable of a backbone: `decay` to its depth.

    Blocks are told by their names (`encoderblock_3`, `block_12_expand`, `layer4`): kinds of them
    in their order, those of a kind by their numbers. What is between two blocks belongs to the one
    before, what is above all of them has factor 1.

    Args:
      names: of the variables, in the order of the backbone.
      decay: factor from each block to the one below.

    Raises:
      InputError: `decay` is not 1, and no name has a block's number in it.
    """
    if decay == 1:
        return [1.0] * len(names)
    matches = [_BLOCK.search(name) for name in names]
    found = [(match[1], int(match[2])) if match else None for match in matches]
    kinds = list(dict.fromkeys(block[0] for block in found if block))
    blocks = sorted(set(filter(None, found)), key=lambda block: (kinds.index(block[0]), block[1]))
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


def is_decayed(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a variable is decayed: biases, norms, tokens and position embeddings are not.

    Biases of AugReg's attention are matrices, [heads, D / heads], and so have to be told by their
    names. Where a name says nothing, the shape does: group norms of AugReg's ResNets are
    [1, 1, 1, C]; tokens and embeddings are [1, N, D].

    Args:
      name: of the variable, such as `block_1/kernel`.
      shape: of the variable.
    """
    if _UNDECAYED.search(name):
        return False
    is_vector = math.prod(shape[:-1]) == 1
    is_token = len(shape) == 3 and shape[0] == 1 and not _KERNEL.search(name)
    return not (is_vector or is_token)
