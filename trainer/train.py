"""Fine-tuning: what TFX Trainer runs."""

from typing import Any

import keras_tuner
import tensorflow as tf

from trainer.checkpoints import checkpoint_directory
from trainer.job import Job, Settings, backbone_directory
from trainer.strategy import make_strategy, worker_of
from trainer.transform_graph import TransformGraph


def run_fn(fn_args: Any) -> None:
    """TFX Trainer's user function: tunes, and exports the SavedModel with its three signatures.

    Args:
      fn_args: `tfx.components.FnArgs`: raw examples for tune "full", transformed ones for "head";
        the transform graph; the backbone as base model; statistics, for the number of examples;
        hyperparameters, where a Tuner found them. Its `custom_config` is that of
        `trainer.job.Settings`, with `checkpoints`, the directory for those of all trainings.

    Raises:
      InputError: the settings do not fit one another, the data or the machine.
      NonFiniteError: the loss is no number any more.
      PreemptedError: the process was asked to end; the training goes on when it is run again.
    """
    settings = Settings.of(fn_args.custom_config)
    found = {}
    if fn_args.hyperparameters:
        found = keras_tuner.HyperParameters.from_config(fn_args.hyperparameters).values
    job = Job(
        settings=settings.changed(found),
        graph=TransformGraph(fn_args.transform_output),
        backbone=backbone_directory(fn_args.base_model),
        train_files=fn_args.train_files,
        validation_files=fn_args.eval_files,
        examples=fn_args.num_examples["train"],
    )
    if settings.hyperparameters.deterministic:
        tf.config.experimental.enable_op_determinism()
    if settings.tune == "head" and settings.hyperparameters.head == "linear_probe":
        model = job.make_model()
        job.probe(model, fn_args.model_run_dir)
        job.export(model, fn_args.serving_model_dir)
        return
    strategy = make_strategy(settings.hyperparameters.strategy)
    checkpoints = checkpoint_directory(
        fn_args.custom_config["checkpoints"],
        config=fn_args.custom_config,
        found=found,
        examples=[*fn_args.train_files, *fn_args.eval_files],
        transform=fn_args.transform_output,
        backbone=job.backbone,
    )
    fitted = job.fit(strategy, checkpoints, fn_args.model_run_dir)
    if worker_of(strategy)[0] == 0:
        job.export(fitted.model, fn_args.serving_model_dir)
    fitted.checkpoints.remove()
