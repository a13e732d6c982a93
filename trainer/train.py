"""Fine-tuning: what TFX Trainer runs."""

import dataclasses
import tempfile
from typing import Any

import keras_tuner
import tensorflow as tf

from backbones.contract import read_shapes
from common.custom_config import from_custom_config
from trainer.input.transform_graph import TransformGraph
from trainer.training.abandoned import remove_abandoned
from trainer.training.checkpoints import checkpoint_directory
from trainer.training.settings import TrainerSettings
from trainer.training.strategy import make_strategy, wait_for_all, worker_index
from trainer.training.training_job import TrainingJob, backbone_directory


def run_fn(fn_args: Any) -> None:
    """TFX Trainer's user function: tunes, and exports the SavedModel with its three signatures.

    Args:
      fn_args: `tfx.components.FnArgs`: raw examples for tune "full", transformed ones for "head";
        the transform graph; the backbone as base model; hyperparameters, where a Tuner found them.
        Its `custom_config` is `trainer.training.settings.TrainerSettings`.

    Raises:
      InputError: the settings do not fit one another, the data or the machine.
      NonFiniteError: the loss is no number any more.
      PreemptedError: the process was asked to end; the training goes on when it is run again.
    """
    settings = from_custom_config(TrainerSettings, fn_args.custom_config)
    training = settings.training
    if training.hyperparameters.deterministic:
        tf.config.experimental.enable_op_determinism()
    is_solved = training.tune == "head" and training.hyperparameters.head == "linear_probe"
    strategy = make_strategy("single" if is_solved else training.hyperparameters.strategy)
    found = {}
    if fn_args.hyperparameters:
        found = keras_tuner.HyperParameters.from_config(fn_args.hyperparameters).values
    backbone = backbone_directory(fn_args.base_model)
    changed = {k: v for k, v in found.items() if training.replace_options({k: v}) != training}
    job = TrainingJob(
        settings=training.replace_options(found),
        graph=TransformGraph(fn_args.transform_graph_path),
        backbone=backbone,
        shapes=read_shapes(backbone),
        train_files=fn_args.train_files,
        validation_files=fn_args.eval_files,
        label=settings.label.with_options(changed),
    )
    if is_solved:
        model = job.make_model()
        job.probe(model, strategy, fn_args.model_run_dir)
        job.export(model, fn_args.serving_model_dir)
        return
    checkpoints = checkpoint_directory(
        settings.checkpoints,
        inputs=dataclasses.asdict(settings.inputs),
        code=settings.code_fingerprint,
        settings=job.settings.values_that_determine_weights(),
    )
    is_chief = worker_index(strategy)[0] == 0
    if is_chief:
        remove_abandoned(settings.checkpoints, checkpoints)
    # The curves of all workers are the same, and would go into the same files.
    fitted = job.fit(
        strategy, checkpoints, fn_args.model_run_dir if is_chief else tempfile.mkdtemp()
    )
    if is_chief:
        job.export(fitted.model, fn_args.serving_model_dir)
    # TFX looks for the model in every worker, as soon as this returns.
    wait_for_all(strategy)
    fitted.checkpoints.remove()
