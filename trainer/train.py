"""The function that TFX's Trainer runs."""

import dataclasses
import tempfile
from typing import Any

import keras_tuner
import tensorflow as tf

from backbones.contract import read_shapes
from common.custom_config import from_custom_config
from trainer.input.transform_graph import TransformGraph
from trainer.training.abandoned import remove_abandoned
from trainer.training.checkpoint_lease import lease_directory
from trainer.training.checkpoints import checkpoint_directory
from trainer.training.settings import TrainerSettings
from trainer.training.strategy import make_strategy, wait_for_all, worker_index
from trainer.training.training_job import TrainingJob, backbone_directory


def run_fn(fn_args: Any) -> None:
    """Tunes a model, and exports it as a SavedModel with three signatures.

    Args:
      fn_args: `tfx.components.FnArgs`. With tune "full", `train_files` and `eval_files` contain raw
        examples; with tune "head", they contain transformed examples. `transform_graph_path` is the
        directory of the transform graph. `base_model` is the path from which `backbone_directory`
        finds the backbone. `hyperparameters` contains the options that Tuner has found, if the
        pipeline has a Tuner. `custom_config` has the fields of
        `trainer.training.settings.TrainerSettings`.

    Raises:
      InputError: the settings contradict each other, or do not fit the data or the machine.
      NonFiniteError: the loss became NaN or infinite.
      PreemptedError: this process, or a different worker, received SIGTERM; the training was saved,
        and the next run resumes the training.
    """
    settings = from_custom_config(TrainerSettings, fn_args.custom_config)
    training = settings.training
    if training.hyperparameters.deterministic:
        tf.config.experimental.enable_op_determinism()
    is_probe = training.tune == "head" and training.hyperparameters.head == "linear_probe"
    strategy = make_strategy("single" if is_probe else training.hyperparameters.strategy)
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
    if is_probe:
        model = job.make_model()
        job.probe(model, strategy, fn_args.model_run_dir)
        job.export(model, fn_args.serving_model_dir, settings.serving)
        return
    checkpoints = checkpoint_directory(
        settings.checkpoints,
        inputs=dataclasses.asdict(settings.inputs),
        code=settings.code_fingerprint,
        settings=job.settings.values_that_determine_weights(),
    )
    is_chief = worker_index(strategy)[0] == 0
    # All workers compute the same training curves, so only the chief writes the curves to the
    # output directory.
    log_dir = fn_args.model_run_dir if is_chief else tempfile.mkdtemp()
    with lease_directory(checkpoints, strategy) as directory:
        if is_chief:
            remove_abandoned(settings.checkpoints, directory.path)
        fitted = job.fit(strategy, directory.path, log_dir, directory.lease)
        if is_chief:
            job.export(fitted.model, fn_args.serving_model_dir, settings.serving)
        # All workers wait for the export, because TFX looks for the model in every worker as soon
        # as this function returns.
        wait_for_all(strategy)
        fitted.checkpoints.remove()
