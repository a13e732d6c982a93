"""Fine-tuning recipes.

This module does not import TensorFlow, which takes seconds to import.

A recipe contains the hyperparameters for tuning a model, the accuracy that was published for these
hyperparameters, and the accuracy that the gate requires. Users can override every hyperparameter of
a recipe, and the required accuracy, with a flag, with `--set` or in YAML.
"""

import dataclasses
from typing import Any, Literal

from trainer.input.augmentation import Augmentation
from trainer.training.hyperparameters import Hyperparameters


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """A published accuracy of a recipe.

    Attributes:
      model: the name of the model in the catalogue.
      accuracy: the accuracy on held-out images, in percent.
      spread: the binomial standard error of `accuracy` for `images` images, in percentage points.
      images: the number of held-out images.
      source: where the accuracy was published.
    """

    model: str
    accuracy: float
    spread: float
    images: int
    source: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """The hyperparameters for tuning a model, and the accuracy that the tuned model should reach.

    Attributes:
      about: the origin or purpose of the recipe.
      tune: the value of `--tune` for which the recipe is made, "full" or "head".
      hyperparameters: the hyperparameters of the Trainer.
      augmentation: the augmentation of training images.
      min_accuracy: the accuracy, as a fraction, that the gate requires of a model that starts from
        AugReg's weights. With as many test images as in the published evaluation, the gate refuses
        a model of the published accuracy, by chance, in less than 1 % of cases. See
        `gate.confidence`.
      published: the published accuracies of the recipe.
    """

    about: str
    tune: Literal["full", "head"] = "full"
    hyperparameters: Hyperparameters
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    min_accuracy: float = 0.5
    published: tuple[Published, ...] = ()

    def values(self) -> dict[str, Any]:
        """Returns the training options of the recipe, in a dictionary by dotted key."""
        groups = {"train": self.hyperparameters, "augment": self.augmentation}
        return {
            f"{group}.{name}": v for group, of in groups.items() for name, v in vars(of).items()
        }


_COLLECTION = "github.com/sayakpaul/ViT-jax2tf, fine_tune.ipynb"

# The hyperparameters of the notebook that was published with the TF-Hub collection. The notebook
# uses Keras's SGD without momentum. `clipnorm` is 1 and clips the gradient of each variable
# separately. The learning rate rises from 0.006 to 0.03 in the first 10 steps, and then falls to 0
# along a cosine curve. `INCEPTION` is the notebook's augmentation: inception crop and flip.
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

# The hyperparameters of AugReg's own fine-tuning, from the appendix of Steiner et al., arXiv
# 2106.10270. The authors of AugReg tried four learning rates (0.001, 0.003, 0.01 and 0.03) and two
# resolutions (224 and 384), and chose the best. The authors of AugReg used Flax. The momentum in
# Flax's SGD is a sum of gradients, but the momentum in Keras's SGD is a sum of gradients multiplied
# by the learning rate, so the results of Keras and Flax differ slightly while the learning rate
# changes.
AUGREG = Hyperparameters(
    steps=500,
    batch_size=512,
    accumulation=8,
    optimizer="sgd",
    learning_rate=0.01,
    warmup_steps=100,
    clip_norm=1.0,
)

# The optimizer of AugReg's own fine-tuning, with the number of epochs and the batch size of the
# TF-Hub collection's notebook.
DEFAULT = dataclasses.replace(
    AUGREG, steps=None, epochs=8, batch_size=64, accumulation=1, warmup_steps=10
)

# Hyperparameters for a linear head on frozen features. The number of epochs is large, because a
# training step of a linear head takes little time.
HEAD = Hyperparameters(
    epochs=60, batch_size=64, optimizer="adamw", learning_rate=0.003, weight_decay=0.01
)

# Hyperparameters for backbones whose pretraining is unknown. Trainer first computes a linear probe
# on frozen features as the head, and then trains all weights. The learning rate is small, because
# large updates of all weights would degrade the head (Kumar et al., arXiv 2202.10054). The number
# of epochs is large, so that the training has enough steps even with a small dataset.
#
# These hyperparameters were tested with a MobileNetV2 and 476 training images of tf_flowers. Of 124
# held-out images (72 of the validation split and 52 of the test split), the tuned MobileNetV2
# classified 112 correctly with one seed, and 111 with another seed. With 8 epochs, a learning rate
# of 0.001 and a wider range of crop sizes than in the recipe `other_full`, two other MobileNetV2s
# classified 109 and 108 images correctly. The linear probe without further training classified 110
# images correctly.
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
        about="the notebook of the TF-Hub collection",
        hyperparameters=NOTEBOOK,
        augmentation=INCEPTION,
        min_accuracy=0.94,
        published=(
            Published(
                model="vit_s16_fe", accuracy=98.64, spread=0.6, images=367, source=_COLLECTION
            ),
            Published(
                model="vit_r26_s32_medaug_fe",
                accuracy=98.09,
                spread=0.7,
                images=367,
                source=_COLLECTION,
            ),
        ),
    ),
    "oxford_iiit_pet_full": Recipe(
        about="the notebook of the TF-Hub collection",
        hyperparameters=NOTEBOOK,
        augmentation=INCEPTION,
        min_accuracy=0.88,
        published=(
            Published(
                model="vit_s16_fe", accuracy=94.57, spread=0.4, images=3669, source=_COLLECTION
            ),
            Published(
                model="vit_r26_s32_medaug_fe",
                accuracy=90.57,
                spread=0.5,
                images=3669,
                source=_COLLECTION,
            ),
        ),
    ),
    "augreg_500": Recipe(
        about="AugReg's own fine-tuning, 500 steps",
        hyperparameters=AUGREG,
        augmentation=INCEPTION,
    ),
    "augreg_2500": Recipe(
        about="AugReg's own fine-tuning, 2,500 steps",
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
        about="AugReg's optimizer, for any dataset and AugReg backbones",
        hyperparameters=DEFAULT,
        augmentation=INCEPTION,
    ),
    "default_head": Recipe(
        about="a linear head on frozen features, for any dataset",
        tune="head",
        hyperparameters=HEAD,
    ),
    "other_full": Recipe(
        about="full tuning for any dataset and backbones of other families than AugReg",
        hyperparameters=OTHER,
        augmentation=Augmentation(crop_area=0.25, flip=True),
    ),
}

# Maps the value of `--tune` to the recipe for backbones other than AugReg's Vision Transformers.
# This recipe replaces the dataset's default recipe, which was made for AugReg's Vision
# Transformers.
OTHER_BACKBONES = {"full": "other_full"}
