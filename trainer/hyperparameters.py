"""What determines a training, besides its data and its backbone. Imports no TensorFlow."""

import dataclasses
from typing import Literal

from trainer.option import AT_LEAST_ONE, FRACTION, NOT_NEGATIVE, POSITIVE, SEED, WHOLE, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """The Trainer's own configuration; each field is a key `train.…` of the pipeline's."""

    epochs: int = option("passes over the training split", default=8, check=AT_LEAST_ONE)
    steps: int | None = option(
        "optimizer steps in all; where given, epochs is not used", default=None, check=AT_LEAST_ONE
    )
    batch_size: int = option("images per optimizer step", default=64, check=AT_LEAST_ONE)
    optimizer: Literal["sgd", "adamw"] = option("sgd (with momentum) or adamw", default="sgd")
    learning_rate: float = option("peak learning rate", default=0.03, check=POSITIVE)
    warmup_steps: int = option(
        "steps of linear warm-up, at most a tenth of all", default=10, check=WHOLE
    )
    momentum: float = option("momentum of sgd", default=0.9, check=FRACTION)
    weight_decay: float = option(
        "decoupled weight decay of adamw, matrices only", default=0.0, check=NOT_NEGATIVE
    )
    clip_norm: float | None = option(
        "global norm that gradients are clipped to; null for none", default=1.0, check=POSITIVE
    )
    label_smoothing: float = option("label smoothing", default=0.0, check=FRACTION)
    seed: int = option("seed of initialisation and shuffling", default=0, check=SEED)

    def total_steps(self, examples: int) -> int:
        """Optimizer steps of the whole training on `examples` training images (the last, partial
        batch of an epoch counts)."""
        return self.steps or self.epochs * self.steps_per_epoch(examples)

    def steps_per_epoch(self, examples: int) -> int:
        """Optimizer steps of one pass over `examples` training images."""
        return -(-examples // self.batch_size)
