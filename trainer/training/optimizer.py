"""Builds the optimizer: learning-rate schedule, and learning rates of individual variables."""

import math
import re
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from common.errors import InputError
from trainer.training.hyperparameters import Hyperparameters

_BLOCK = re.compile(r"([a-z]*(?:block|layer|stage|encoder)s?[_.]?)(\d+)", re.IGNORECASE)
# This regular expression matches the names that Keras and Flax give to variables without weight
# decay. The words for position and class embeddings match anywhere in a name, and all other words
# match only at the end of a name.
_UNDECAYED = re.compile(
    r"(bias|beta|gamma|scale|offset|mean|variance|tokens?|(^|[/_])cls)$|pos[a-z]*_?emb|"
    r"class_emb|relative_pos",
    re.IGNORECASE,
)
_KERNEL = re.compile(r"(kernel|weights?)$", re.IGNORECASE)


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A linear warm-up to the peak rate, followed by a decay to 0 or by a constant rate."""

    def __init__(
        self, peak: float, warmup: int, total: int, shape: str, *, start: float = 0.0
    ) -> None:
        """
        Args:
          peak: the peak learning rate.
          warmup: number of warm-up steps.
          total: number of all steps, including the warm-up steps.
          shape: "cosine", "linear" or "constant".
          start: the learning rate of the first step, as a fraction of the peak.
        """
        self._peak, self._warmup, self._total, self._shape = peak, warmup, total, shape
        self._start = start

    def __call__(self, step: Any) -> tf.Tensor:
        """Returns the learning rate, float32 [], after `step` steps."""
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
    """Adds to a Keras optimizer a separate learning rate and weight decay for each variable.

    `Stepper` sums gradients over all replicas before it calls the optimizer, because clipping needs
    the sums. This class prevents the Keras optimizer from summing the gradients a second time.
    """

    _rates: Sequence[float] = ()
    _decays: Sequence[float] = ()

    def set_rates(self, rates: Sequence[float], decays: Sequence[float]) -> None:
        """
        Args:
          rates: the factor for the learning rate of each variable, in the order in which `build`
            received the variables.
          decays: the weight decay of each variable, in the order of `rates`.
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
    """Builds the optimizer that trains `variables`.

    For float16, the optimizer is wrapped in a LossScaleOptimizer.

    Args:
      hyperparameters: the hyperparameters of the training.
      schedule: the learning-rate schedule.
      variables: all trained variables.
      head: the variables of the head, which `variables` must contain.

    Raises:
      InputError: `layer_decay` is not 1, and the backbone has no numbered blocks.
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
    """Returns the factor for the learning rate of each variable of a backbone.

    The factor of a block is `decay` times the factor of the next higher block. Blocks are
    recognised by the names of their variables (`encoderblock_3`, `block_12_expand`, `layer4`), and
    ordered, from the lowest, by the first appearance in `names` of the text before the number, and
    then by the number. Variables between two blocks in `names` have the factor of the lower block;
    variables before all blocks count as one more block below the lowest; variables after all blocks
    have the factor 1.

    Args:
      names: names of the variables, in the order of the forward pass.
      decay: the factor of a block, divided by the factor of the next higher block.

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
    """Whether weight decay applies to a variable.

    Weight decay does not apply to biases, norms, tokens or position embeddings.

    The name of the variable decides first. If the name does not decide, the shape does: weight
    decay does not apply to vectors, to the group norms of AugReg's ResNets ([1, 1, 1, C]), or to
    tokens and embeddings ([1, N, D]). The shape alone would not be enough, because the attention
    biases of AugReg are matrices ([heads, D / heads]), as are many kernels.

    Args:
      name: name of the variable, such as `block_1/kernel`.
      shape: shape of the variable.
    """
    if _UNDECAYED.search(name):
        return False
    is_vector = math.prod(shape[:-1]) == 1
    is_token = len(shape) == 3 and shape[0] == 1 and not _KERNEL.search(name)
    return not (is_vector or is_token)
