"""What determines a training, besides its data and its backbone. Imports no TensorFlow."""

import dataclasses
from typing import Literal

from common.options import (
    AT_LEAST_ONE,
    FRACTION,
    NOT_NEGATIVE,
    POSITIVE,
    SEED,
    SHARE,
    WHOLE,
    option,
)

# Options of how it is computed: a training goes on under other values of them.
OPERATIONAL = ("strategy", "jit_compile", "checkpoint_steps", "checkpoints_kept", "profile")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """The Trainer's own configuration; each field is a key `train.…` of the pipeline's.

    Every optimizer step takes exactly `batch_size` images, whatever the number of devices; epochs
    follow one another without a partial batch in between.
    """

    epochs: int = option("passes over the training split", default=8, check=AT_LEAST_ONE)
    steps: int | None = option(
        "optimizer steps in all; where given, epochs is not used", default=None, check=AT_LEAST_ONE
    )
    batch_size: int = option("images per optimizer step", default=64, check=AT_LEAST_ONE)
    accumulation: int = option(
        "parts that a batch is computed in, one after the other, to save memory",
        default=1,
        check=AT_LEAST_ONE,
    )
    head: Literal["gradient", "linear_probe"] = option(
        "gradient: the head begins at 0; linear_probe: it is found by logistic regression on the "
        "features, which --tune full then goes on from",
        default="gradient",
    )
    optimizer: Literal["sgd", "adamw"] = option("sgd (with momentum) or adamw", default="sgd")
    learning_rate: float = option("peak learning rate", default=0.03, check=POSITIVE)
    schedule: Literal["cosine", "linear", "constant"] = option(
        "how the learning rate falls to 0 after its warm-up", default="cosine"
    )
    warmup_steps: int = option(
        "steps of linear warm-up, at most half of all", default=10, check=WHOLE
    )
    warmup_epochs: float | None = option(
        "warm-up in epochs; where given, warmup_steps is not used", default=None, check=NOT_NEGATIVE
    )
    warmup_start: float = option(
        "what warm-up begins at, as a fraction of the peak learning rate", default=0.0, check=SHARE
    )
    momentum: float = option("momentum of sgd", default=0.9, check=SHARE)
    weight_decay: float = option(
        "decoupled weight decay; biases, norms, class token and position embeddings have none",
        default=0.0,
        check=NOT_NEGATIVE,
    )
    clip_norm: float | None = option(
        "norm that gradients are clipped to; null for none", default=1.0, check=POSITIVE
    )
    clip: Literal["global", "each"] = option(
        "whether that is the norm of all gradients together, or of each variable's",
        default="global",
    )
    layer_decay: float = option(
        "factor on the learning rate from each of the backbone's blocks to the one below",
        default=1.0,
        check=POSITIVE,
    )
    head_rate: float = option(
        "factor on the learning rate of the head", default=1.0, check=POSITIVE
    )
    backbone_mode: Literal["inference", "training"] = option(
        "whether batch norms (and dropout) of the backbone work as in inference while its weights "
        "are trained: statistics of few images do more harm than good",
        default="inference",
    )
    label_smoothing: float = option("label smoothing", default=0.0, check=SHARE)
    class_weights: bool = option(
        "weigh images by the rarity of their class, for unbalanced data", default=False
    )
    ema: float | None = option(
        "decay of the exponential moving average of the weights that is exported; null for none",
        default=None,
        check=FRACTION,
    )
    keep: Literal["last", "best"] = option(
        "which weights are exported: the last, or the best by the validation split", default="last"
    )
    early_stopping: int | None = option(
        "epochs without a better validation accuracy, or a lower loss at the same, after which "
        "training ends; exports the best",
        default=None,
        check=AT_LEAST_ONE,
    )
    seed: int = option("seed of initialisation and shuffling", default=0, check=SEED)
    deterministic: bool = option(
        "the same weights from the same seed, to the last bit, at some cost in speed", default=False
    )
    strategy: Literal["auto", "single", "mirrored", "multiworker", "tpu"] = option(
        "devices: auto takes all GPUs of the machine, a TPU, or TF_CONFIG's workers", default="auto"
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = option(
        "of the backbone's matrix products, where it is made from a checkpoint; mixed_float16 "
        "scales the loss, and leaves out steps whose gradients overflow",
        default="float32",
    )
    jit_compile: bool | None = option(
        "compile the training step by XLA; where not given, on a GPU", default=None
    )
    checkpoint_steps: int = option(
        "steps between two checkpoints; epochs end with one as well",
        default=500,
        check=AT_LEAST_ONE,
    )
    checkpoints_kept: int = option("checkpoints that are kept", default=2, check=AT_LEAST_ONE)
    profile: int | None = option(
        "a step to profile for TensorBoard, with the nine after it; null for none",
        default=None,
        check=AT_LEAST_ONE,
    )

    @property
    def keeps_best(self) -> bool:
        """Whether the best weights by the validation split are exported."""
        return self.keep == "best" or self.early_stopping is not None

    def total_steps(self, examples: int) -> int:
        """Optimizer steps of the whole training on `examples` training images."""
        return self.steps or round(self.epochs * examples / self.batch_size)

    def steps_per_epoch(self, examples: int) -> int:
        """Optimizer steps of one pass over `examples` training images, to the nearest."""
        return round(examples / self.batch_size)

    def warmup(self, examples: int) -> int:
        """Steps of warm-up in a training on `examples` training images."""
        if self.warmup_epochs is not None:
            return round(self.warmup_epochs * examples / self.batch_size)
        return min(self.warmup_steps, self.total_steps(examples) // 2)
