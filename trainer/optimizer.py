"""The optimizer and its learning-rate schedule."""

import keras

from trainer.hyperparameters import Hyperparameters


def make_schedule(
    hyperparameters: Hyperparameters, total_steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Linear warm-up from a fifth of the peak, then cosine to 0.

    0.006 to 0.03 over 10 steps in the collection's notebook.
    """
    warmup = min(hyperparameters.warmup_steps, total_steps // 10)
    peak = hyperparameters.learning_rate
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=peak / 5 if warmup else peak,
        decay_steps=max(total_steps - warmup, 1),
        alpha=0.0,
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )


def make_optimizer(
    hyperparameters: Hyperparameters, total_steps: int
) -> keras.optimizers.Optimizer:
    """The optimizer for `total_steps` steps."""
    schedule = make_schedule(hyperparameters, total_steps)
    clip = hyperparameters.clip_norm
    if hyperparameters.optimizer == "sgd":
        return keras.optimizers.SGD(
            schedule, momentum=hyperparameters.momentum, global_clipnorm=clip
        )
    return keras.optimizers.AdamW(
        schedule, weight_decay=hyperparameters.weight_decay, global_clipnorm=clip
    )


def exclude_vectors_from_decay(
    optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]
) -> None:
    """Leaves biases, norms, class tokens and position embeddings out of weight decay."""
    if optimizer.weight_decay:
        optimizer.exclude_from_weight_decay(
            [v for v in variables if len(v.shape) < 2 or (len(v.shape) == 3 and v.shape[0] == 1)]
        )
