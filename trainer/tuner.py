"""The hyperparameter search that TFX's Tuner runs."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import keras
import keras_tuner
import tensorflow as tf
from tfx.components.tuner.component import TunerFnResult

from backbones.contract import read_shapes
from common.custom_config import from_custom_config
from common.errors import InputError
from trainer.input.transform_graph import TransformGraph
from trainer.training.preemption import PreemptedError, end_at_once
from trainer.training.settings import TrainingSettings, TunerSettings
from trainer.training.strategy import make_strategy
from trainer.training.training_job import TrainingJob, backbone_directory

OBJECTIVE = "val_accuracy"


def tuner_fn(fn_args: Any) -> TunerFnResult:
    """Returns the tuner, which runs trials of `TrainingJob.fit` with Bayesian optimisation.

    Args:
      fn_args: `tfx.components.FnArgs`, as for `trainer.train.run_fn`, but the `custom_config` has
        the fields of `trainer.training.settings.TunerSettings`.
    """
    settings = from_custom_config(TunerSettings, fn_args.custom_config)
    hyperparameters = settings.training.hyperparameters
    if hyperparameters.deterministic:
        tf.config.experimental.enable_op_determinism()
    # TFX runs Tuner on one worker, so the trials cannot use several machines.
    strategy = hyperparameters.strategy
    strategy = make_strategy("mirrored" if strategy == "multiworker" else strategy)
    backbone = backbone_directory(fn_args.base_model)
    job = TrainingJob(
        settings=settings.training,
        graph=TransformGraph(fn_args.transform_graph_path),
        backbone=backbone,
        shapes=read_shapes(backbone),
        train_files=fn_args.train_files,
        validation_files=fn_args.eval_files,
        label=settings.label,
    )
    oracle = Oracle(
        objective=keras_tuner.Objective(OBJECTIVE, "max"),
        max_trials=settings.trials,
        hyperparameters=search_space(settings.training),
        seed=hyperparameters.seed,
    )
    search = Search(
        job, strategy, oracle=oracle, directory=fn_args.working_dir, project_name="search"
    )
    return TunerFnResult(tuner=search, fit_kwargs={})


def search_space(settings: TrainingSettings) -> keras_tuner.HyperParameters:
    """Returns the search space for the learning rate, the schedule and the augmentation.

    The names in the search space are keys of options, such as `train.learning_rate`. The default
    value of each option is its value in `settings`.
    """
    space = keras_tuner.HyperParameters()
    rate = settings.hyperparameters.learning_rate
    space.Float("train.learning_rate", rate / 10, rate * 10, sampling="log", default=rate)
    space.Choice(
        "train.schedule",
        ["cosine", "linear", "constant"],
        default=settings.hyperparameters.schedule,
    )
    if settings.tune == "full":
        augmentation = settings.augmentation
        # The search varies cropping only if the settings turn cropping on, because some images,
        # such as digits, must not be cropped.
        if augmentation.crop_area is not None:
            _choice(space, "augment.crop_area", (0.05, 0.35, 1.0), augmentation.crop_area)
        _choice(space, "augment.randaugment_layers", (0, 1, 2), augmentation.randaugment_layers)
        _choice(space, "augment.mixup", (0.0, 0.2, 0.5), augmentation.mixup)
    return space


def _choice(
    space: keras_tuner.HyperParameters, name: str, values: Sequence[float], current: float
) -> None:
    space.Choice(name, sorted({*values, current}), default=current)


class Oracle(keras_tuner.oracles.BayesianOptimizationOracle):
    """KerasTuner's Bayesian optimisation, but with the default values in the first trial."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the hyperparameters of the next trial, in the format of KerasTuner."""
        if self.trials:
            return super().populate_space(trial_id)
        status = keras_tuner.engine.trial.TrialStatus.RUNNING
        return {"status": status, "values": dict(self.hyperparameters.values)}


class Search(keras_tuner.Tuner):
    """A KerasTuner tuner whose trials are trainings of a TrainingJob."""

    def __init__(self, job: TrainingJob, strategy: tf.distribute.Strategy, **options: Any) -> None:
        """
        Args:
          job: the training; each trial changes some of its settings.
          strategy: the distribution strategy of the trials.
          **options: the options of `keras_tuner.Tuner`.
        """
        super().__init__(hypermodel=lambda space: None, **options)
        self._job = job
        self._strategy = strategy

    def run_trial(self, trial: keras_tuner.engine.trial.Trial) -> dict[str, float]:
        """Runs one training; returns the validation accuracy of the weights that would be exported.

        Raises:
          FatalError: an error that every trial would have, such as a wrong setting; or the process
            received SIGTERM.
        """
        settings = self._job.settings.replace_options(trial.hyperparameters.values)
        directory = self.get_trial_dir(trial.trial_id)
        label = self._job.label.with_options(
            trial.hyperparameters.values, suffix=f"-trial-{trial.trial_id}"
        )
        # `clear_session` removes the references that Keras keeps to the models of earlier trials,
        # so that memory does not grow from trial to trial.
        keras.utils.clear_session()
        try:
            with end_at_once():
                fitted = dataclasses.replace(self._job, settings=settings, label=label).fit(
                    self._strategy,
                    os.path.join(directory, "checkpoints"),
                    os.path.join(directory, "log"),
                )
        # Errors that must end the search are raised as FatalError, because KerasTuner continues
        # with the next trial after any error except FatalError.
        except InputError as error:
            raise keras_tuner.errors.FatalError(str(error)) from error
        except (PreemptedError, KeyboardInterrupt) as error:
            message = (
                f"ended by a signal in trial {trial.trial_id}; the search starts from the "
                "beginning when the same command is given again"
            )
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(message) from error
            raise keras_tuner.errors.FatalError(message) from error
        fitted.checkpoints.remove()
        accuracies = [epoch[OBJECTIVE] for epoch in fitted.history.values["epochs"]]
        keeps_best = settings.hyperparameters.keeps_best
        return {OBJECTIVE: max(accuracies) if keeps_best else accuracies[-1]}
