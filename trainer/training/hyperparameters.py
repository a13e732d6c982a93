"""The hyperparameters of a training.

This module does not import TensorFlow, which takes seconds to import.
"""

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

# A user may change these options before an interrupted training is resumed, because these options
# do not change the result of the training.
OPERATIONAL = (
    "strategy",
    "jit_compile",
    "fused_attention",
    "checkpoint_steps",
    "checkpoints_kept",
    "profile",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """The hyperparameters of the Trainer.

    Each field is an option of the pipeline. For example, `epochs` is the option `train.epochs`.

    Every optimizer step uses exactly `batch_size` images, whatever the number of devices. The last
    batch of an epoch is also full, because it is filled up with images of the next epoch.
    """

    epochs: int = option("number of passes over the training images", default=8, check=AT_LEAST_ONE)
    steps: int | None = option(
        "total number of optimizer steps; if given, replaces epochs",
        default=None,
        check=AT_LEAST_ONE,
    )
    batch_size: int = option("images per optimizer step", default=64, check=AT_LEAST_ONE)
    accumulation: int = option(
        "number of parts of each batch that are computed one after the other, to save memory",
        default=1,
        check=AT_LEAST_ONE,
    )
    head: Literal["gradient", "linear_probe"] = option(
        "gradient: the head starts at 0; linear_probe: the head is a logistic regression on the "
        "features, from which --tune full then starts",
        default="gradient",
    )
    optimizer: Literal["sgd", "adamw"] = option("sgd (with momentum) or adamw", default="sgd")
    learning_rate: float = option("peak learning rate", default=0.03, check=POSITIVE)
    schedule: Literal["cosine", "linear", "constant"] = option(
        "curve of the learning rate after warm-up: a fall to 0, or constant", default="cosine"
    )
    warmup_steps: int = option(
        "number of steps of linear warm-up, at most half of all steps", default=10, check=WHOLE
    )
    warmup_epochs: float | None = option(
        "length of the warm-up in epochs; if given, replaces warmup_steps",
        default=None,
        check=NOT_NEGATIVE,
    )
    warmup_start: float = option(
        "learning rate at the start of warm-up, as a fraction of the peak", default=0.0, check=SHARE
    )
    momentum: float = option("momentum of sgd", default=0.9, check=SHARE)
    weight_decay: float = option(
        "decoupled weight decay; not applied to biases, norms, class token and position embeddings",
        default=0.0,
        check=NOT_NEGATIVE,
    )
    clip_norm: float | None = option(
        "largest gradient norm; larger gradients are clipped; null for no clipping",
        default=1.0,
        check=POSITIVE,
    )
    clip: Literal["global", "each"] = option(
        "clip the norm of all gradients together (global), or of each variable's gradient (each)",
        default="global",
    )
    layer_decay: float = option(
        "layer-wise learning-rate decay: factor from each block of the backbone to the block below "
        "it",
        default=1.0,
        check=POSITIVE,
    )
    head_rate: float = option(
        "factor on the learning rate of the head", default=1.0, check=POSITIVE
    )
    backbone_mode: Literal["inference", "training"] = option(
        "mode of the backbone's batch norms and dropout while its weights are trained; "
        "statistics of small batches are usually worse",
        default="inference",
    )
    label_smoothing: float = option("label smoothing", default=0.0, check=SHARE)
    class_weights: bool = option(
        "weight images by the inverse frequency of their class, for unbalanced data", default=False
    )
    ema: float | None = option(
        "export an exponential moving average of the weights with this decay; null for no average",
        default=None,
        check=FRACTION,
    )
    keep: Literal["last", "best"] = option(
        "export the last weights, or the best weights on the validation split", default="last"
    )
    early_stopping: int | None = option(
        "end training after this many epochs without a better validation accuracy (or, at equal "
        "accuracy, a lower loss), and export the best weights",
        default=None,
        check=AT_LEAST_ONE,
    )
    seed: int = option("seed of the initialisation and of the shuffling", default=0, check=SEED)
    deterministic: bool = option(
        "bit-identical weights from the same seed, at some cost in speed", default=False
    )
    strategy: Literal["auto", "single", "mirrored", "multiworker", "tpu"] = option(
        "devices of the training; auto uses a TPU, the workers of TF_CONFIG, or all GPUs",
        default="auto",
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = option(
        "precision of matrix products, for a model of the catalogue or an .npz file; mixed_float16 "
        "scales the loss, and skips steps whose gradients overflow",
        default="float32",
    )
    jit_compile: bool | None = option(
        "compile the training step with XLA; by default on a GPU only", default=None
    )
    fused_attention: bool | None = option(
        "compute attention with cuDNN's kernels, which store no attention scores; by default on a "
        "GPU of compute capability 8.0 or higher, with XLA and mixed precision, unless "
        "train.deterministic is given",
        default=None,
    )
    checkpoint_steps: int = option(
        "number of steps between two checkpoints; an epoch also ends with a checkpoint, unless the "
        "last checkpoint is younger than 30 seconds",
        default=500,
        check=AT_LEAST_ONE,
    )
    checkpoints_kept: int = option(
        "number of latest checkpoints to keep", default=2, check=AT_LEAST_ONE
    )
    profile: int | None = option(
        "first of ten steps to profile for TensorBoard; null for no profile",
        default=None,
        check=AT_LEAST_ONE,
    )

    @property
    def keeps_best(self) -> bool:
        """Whether to export the weights with the best validation score, not the last weights."""
        return self.keep == "best" or self.early_stopping is not None

    def total_steps(self, examples: int) -> int:
        """Returns the number of optimizer steps of a training on `examples` images."""
        return self.steps or round(self.epochs * examples / self.batch_size)

    def steps_per_epoch(self, examples: int) -> int:
        """Returns the number of optimizer steps of one epoch over `examples` images, rounded."""
        return round(examples / self.batch_size)

    def warmup(self, examples: int) -> int:
        """Returns the number of warm-up steps of a training on `examples` images."""
        if self.warmup_epochs is not None:
            return round(self.warmup_epochs * examples / self.batch_size)
        return min(self.warmup_steps, self.total_steps(examples) // 2)
