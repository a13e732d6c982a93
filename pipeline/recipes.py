"""Fine-tuning recipes, as data. Imports no TensorFlow.

A recipe says how a model is tuned, what accuracy that has been published to reach, and what
accuracy it has to reach here. Every value can be overridden by flag, `--set` or YAML.
"""

import dataclasses
from typing import Literal

from trainer.input.augmentation import Augmentation
from trainer.training.hyperparameters import Hyperparameters


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """An accuracy that somebody reached with a recipe.

    Attributes:
      model: name in the catalogue.
      accuracy: in percent, on held-out images.
      spread: standard error of it in percentage points, from the number of those images alone.
      source: where it is published.
    """

    model: str
    accuracy: float
    spread: float
    source: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to tune, and what to expect of it.

    Attributes:
      about: where the recipe comes from.
      tune: the way of tuning that it is for, "full" or "head".
      hyperparameters: for the Trainer.
      augmentation: of training images.
      min_accuracy: the gate's floor for a model of the catalogue, as a fraction.
      published: what it reached.
    """

    about: str
    tune: Literal["full", "head"] = "full"
    hyperparameters: Hyperparameters
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    min_accuracy: float = 0.5
    published: tuple[Published, ...] = ()


_COLLECTION = "github.com/sayakpaul/ViT-jax2tf, fine_tune.ipynb"

# The notebook that the collection was published with: batch 64, 8 epochs, Keras's SGD, which has no
# momentum unless told, and its `clipnorm` of 1, which is each variable's own; warm-up over 10 steps
# from 0.006 to 0.03, then cosine to 0; inception crop and flip.
NOTEBOOK = Hyperparameters(
    epochs=8,
    batch_size=64,
    optimizer="sgd",
    learning_rate=0.03,
    momentum=0.0,
    warmup_steps=10,
    warmup_start=0.2,
    clip_norm=1.0,
    clip="each",
)
INCEPTION = Augmentation(crop_area=0.05, flip=True)

# AugReg's own fine-tuning, Steiner et al., arXiv 2106.10270, appendix; the best of the learning
# rates 0.001, 0.003, 0.01 and 0.03 was taken there, and of resolutions 224 and 384. Flax's momentum
# adds up gradients and Keras's adds up steps: they differ a little while the rate changes.
AUGREG = Hyperparameters(
    steps=500,
    batch_size=512,
    accumulation=8,
    optimizer="sgd",
    learning_rate=0.01,
    warmup_steps=100,
    clip_norm=1.0,
)

# AugReg's optimizer at the notebook's length and batch.
DEFAULT = dataclasses.replace(
    AUGREG, steps=None, epochs=8, batch_size=64, accumulation=1, warmup_steps=10
)

# A linear head on frozen features: cheap steps, so many of them.
HEAD = Hyperparameters(
    epochs=60, batch_size=64, optimizer="adamw", learning_rate=0.003, weight_decay=0.01
)

# For weights whose training nobody here knows: the head that is best on frozen features first, then
# everything at a rate too small to spoil it (Kumar et al., arXiv 2202.10054), for as long as small
# data need. With a MobileNetV2 on 476 of tf_flowers' photographs it named 112 of 124 others (72 for
# validation, 52 for test), and 111 with another seed; 8 epochs at 0.001 and a wider crop 109 and
# 108, and the best head on frozen features 110.
OTHER = Hyperparameters(
    epochs=20,
    batch_size=32,
    head="linear_probe",
    optimizer="sgd",
    learning_rate=0.003,
    warmup_steps=30,
    clip_norm=1.0,
    ema=0.97,
)

FROM_SCRATCH = Hyperparameters(
    epochs=24,
    batch_size=64,
    optimizer="adamw",
    learning_rate=0.002,
    warmup_steps=50,
    weight_decay=0.05,
    label_smoothing=0.1,
)

RECIPES = {
    "tf_flowers_full": Recipe(
        about="the collection's notebook",
        hyperparameters=NOTEBOOK,
        augmentation=INCEPTION,
        min_accuracy=0.95,
        published=(
            Published(model="vit_s16_fe", accuracy=98.64, spread=0.6, source=_COLLECTION),
            Published(
                model="vit_r26_s32_medaug_fe", accuracy=98.09, spread=0.7, source=_COLLECTION
            ),
        ),
    ),
    "oxford_iiit_pet_full": Recipe(
        about="the collection's notebook",
        hyperparameters=NOTEBOOK,
        augmentation=INCEPTION,
        min_accuracy=0.88,
        published=(
            Published(model="vit_s16_fe", accuracy=94.57, spread=0.4, source=_COLLECTION),
            Published(
                model="vit_r26_s32_medaug_fe", accuracy=90.57, spread=0.5, source=_COLLECTION
            ),
        ),
    ),
    "augreg_500": Recipe(
        about="AugReg's own, 500 steps", hyperparameters=AUGREG, augmentation=INCEPTION
    ),
    "augreg_2500": Recipe(
        about="AugReg's own, 2,500 steps",
        hyperparameters=dataclasses.replace(AUGREG, steps=2500),
        augmentation=INCEPTION,
    ),
    "tf_flowers_head": Recipe(
        about="a linear head on frozen features",
        tune="head",
        hyperparameters=HEAD,
        min_accuracy=0.9,
    ),
    "oxford_iiit_pet_head": Recipe(
        about="a linear head on frozen features",
        tune="head",
        hyperparameters=HEAD,
        min_accuracy=0.85,
    ),
    "digits_full": Recipe(
        about="a small ViT from scratch", hyperparameters=FROM_SCRATCH, min_accuracy=0.9
    ),
    "default_full": Recipe(
        about="AugReg's optimizer, for any dataset",
        hyperparameters=DEFAULT,
        augmentation=INCEPTION,
    ),
    "default_head": Recipe(
        about="a linear head on frozen features, for any dataset",
        tune="head",
        hyperparameters=HEAD,
    ),
    "other_full": Recipe(
        about="a backbone that is none of AugReg's, for any dataset",
        hyperparameters=OTHER,
        augmentation=Augmentation(crop_area=0.25, flip=True),
    ),
}

# Instead of the dataset's, by way of tuning, for a backbone that is none of AugReg's: what is
# published for a dataset is published for these Vision Transformers.
OTHER_BACKBONES = {"full": "other_full"}
