"""Fine-tuning recipes, as data. Imports no TensorFlow.

A recipe is a set of hyperparameters together with the accuracy that a model tuned by it has to
reach. Every value can be overridden by flag, `--set` or YAML.
"""

import dataclasses

from trainer.hyperparameters import Hyperparameters


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """Hyperparameters, and what to expect of them.

    Attributes:
      about: where the recipe comes from and what it reaches.
      hyperparameters: for the Trainer.
      min_accuracy: the gate's floor for a model of the catalogue, as a fraction.
    """

    about: str
    hyperparameters: Hyperparameters
    min_accuracy: float


# The recipe of the notebooks that the collection was published with
# (github.com/sayakpaul/ViT-jax2tf, notebooks/finetune.ipynb): batch 64, 8 epochs, SGD, gradients
# clipped at norm 1, warm-up over 10 steps to 0.03, then cosine to 0.
NOTEBOOK = Hyperparameters(
    epochs=8, batch_size=64, optimizer="sgd", learning_rate=0.03, warmup_steps=10, clip_norm=1.0
)

# A linear head on frozen features: cheap steps, so many of them.
HEAD = Hyperparameters(
    epochs=60, batch_size=64, optimizer="adamw", learning_rate=0.003, weight_decay=0.01
)

FROM_SCRATCH = Hyperparameters(
    epochs=24,
    batch_size=64,
    optimizer="adamw",
    learning_rate=0.002,
    warmup_steps=100,
    weight_decay=0.05,
    label_smoothing=0.1,
)

RECIPES = {
    "tf_flowers_full": Recipe(
        about="the collection's notebook; published: 98.64 % (S/16), 98.09 % (R26-S/32 medium)",
        hyperparameters=NOTEBOOK,
        min_accuracy=0.95,
    ),
    "oxford_iiit_pet_full": Recipe(
        about="the collection's notebook; published: 94.57 % (S/16), 90.57 % (R26-S/32 medium)",
        hyperparameters=NOTEBOOK,
        min_accuracy=0.88,
    ),
    "tf_flowers_head": Recipe(
        about="a linear head on frozen features", hyperparameters=HEAD, min_accuracy=0.9
    ),
    "oxford_iiit_pet_head": Recipe(
        about="a linear head on frozen features", hyperparameters=HEAD, min_accuracy=0.85
    ),
    "digits_full": Recipe(
        about="a small ViT from scratch", hyperparameters=FROM_SCRATCH, min_accuracy=0.9
    ),
    "default_full": Recipe(
        about="the collection's notebook, for any dataset",
        hyperparameters=NOTEBOOK,
        min_accuracy=0.5,
    ),
    "default_head": Recipe(
        about="a linear head on frozen features, for any dataset",
        hyperparameters=HEAD,
        min_accuracy=0.5,
    ),
}
