"""Fine-tuning: what TFX Trainer runs."""

import dataclasses
import json
import os
from typing import Any

import keras
import tensorflow as tf

from trainer.backbone import load_backbone, read_shapes
from trainer.data import make_dataset
from trainer.hyperparameters import Hyperparameters
from trainer.model import make_classifier, make_probe
from trainer.optimizer import exclude_vectors_from_decay, make_optimizer
from trainer.progress import ReportProgress, StopAfter
from trainer.serving import ServedClassifier
from trainer.transform_graph import TransformGraph


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the pipeline tells the Trainer, as its `custom_config`."""

    tune: str
    classes: list[str]
    hyperparameters: Hyperparameters

    @classmethod
    def of(cls, custom_config: dict[str, Any]) -> "Settings":
        """From the `custom_config` that TFX hands over."""
        return cls(
            custom_config["tune"],
            custom_config["classes"],
            Hyperparameters(**custom_config["hyperparameters"]),
        )


def run_fn(fn_args: Any) -> None:
    """TFX Trainer's user function: tunes, and exports the SavedModel with its three signatures.

    Args:
      fn_args: `tfx.components.FnArgs`: raw examples for tune "full", transformed ones for "head";
        the transform graph; the backbone as base model; statistics, for the number of examples.
    """
    settings = Settings.of(fn_args.custom_config)
    hyperparameters = settings.hyperparameters
    keras.utils.set_random_seed(hyperparameters.seed)
    graph = TransformGraph(fn_args.transform_output)

    def dataset(files: list[str], shuffle_seed: int | None = None) -> tf.data.Dataset:
        return make_dataset(
            files,
            graph,
            tune=settings.tune,
            batch_size=hyperparameters.batch_size,
            shuffle_seed=shuffle_seed,
        )

    shapes = read_shapes(backbone_directory(fn_args.base_model))
    if settings.tune == "full":
        restored = load_backbone(backbone_directory(fn_args.base_model))
        model = make_classifier(restored, shapes, len(settings.classes))
        backbone = model.get_layer("backbone")
    else:
        backbone = graph.backbone
        model = make_probe(shapes.features, len(settings.classes))

    fit(
        model,
        dataset(fn_args.train_files, shuffle_seed=hyperparameters.seed),
        dataset(fn_args.eval_files),
        hyperparameters=hyperparameters,
        examples=fn_args.num_examples["train"],
        log_dir=fn_args.model_run_dir,
    )
    ServedClassifier(
        graph,
        backbone,
        model.get_layer("head"),
        settings.classes,
        graph_has_backbone=settings.tune == "head",
        image_shape=(shapes.height, shapes.width),
    ).save(fn_args.serving_model_dir)


def backbone_directory(base_model: str) -> str:
    """The SavedModel directory of the `base_model` artifact.

    TFX expects a Model artifact to have its SavedModel in a folder of its own, which a backbone's
    directory has not.
    """
    own = os.path.dirname(base_model)
    return own if tf.io.gfile.exists(os.path.join(own, "saved_model.pb")) else base_model


def fit(
    model: keras.Model,
    train: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    hyperparameters: Hyperparameters,
    examples: int,
    log_dir: str,
) -> None:
    """Trains `model`, and writes `history.json` to `log_dir`.

    Args:
      model: gives logits.
      train: batches of one epoch.
      validation: likewise.
      hyperparameters: optimizer, schedule, length.
      examples: number of training examples.
      log_dir: of the ModelRun artifact.
    """
    total_steps = hyperparameters.total_steps(examples)
    optimizer = make_optimizer(hyperparameters, total_steps)
    exclude_vectors_from_decay(optimizer, model.trainable_variables)
    model.compile(
        optimizer=optimizer,
        loss=_loss(hyperparameters.label_smoothing, model.output_shape[-1]),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=False,  # XLA is slower than TensorFlow's own kernels on a CPU, many times over
    )
    steps_per_epoch = min(hyperparameters.steps_per_epoch(examples), total_steps)
    history = model.fit(
        train.repeat(),
        epochs=-(-total_steps // steps_per_epoch),
        steps_per_epoch=steps_per_epoch,
        validation_data=validation,
        shuffle=False,  # the dataset does that
        callbacks=[ReportProgress(total_steps), StopAfter(total_steps)],
        verbose=0,
    )
    tf.io.gfile.makedirs(log_dir)
    with tf.io.gfile.GFile(os.path.join(log_dir, "history.json"), "w") as file:
        json.dump(history.history, file, indent=1)


def _loss(label_smoothing: float, classes: int) -> Any:
    """Cross-entropy of logits with int labels."""
    if not label_smoothing:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def smoothed(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        return keras.losses.categorical_crossentropy(
            keras.ops.one_hot(keras.ops.reshape(labels, [-1]), classes),
            logits,
            from_logits=True,
            label_smoothing=label_smoothing,
        )

    return smoothed
