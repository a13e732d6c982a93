"""Search for hyperparameters: what TFX Tuner runs."""

import dataclasses
import os
from typing import Any

import keras_tuner
from tfx.components.tuner.component import TunerFnResult

from trainer.data import read_labels
from trainer.errors import InputError
from trainer.job import Job, Settings, backbone_directory
from trainer.preemption import PreemptedError
from trainer.strategy import make_strategy
from trainer.transform_graph import TransformGraph

OBJECTIVE = "val_accuracy"


def tuner_fn(fn_args: Any) -> TunerFnResult:
    """TFX Tuner's user function: trials of `trainer.job.Job.fit` by Bayesian optimisation.

    Args:
      fn_args: as `trainer.train.run_fn` takes it. Its `custom_config` is that of
        `trainer.job.Settings`, with `trials`, how many there are.
    """
    settings = Settings.of(fn_args.custom_config)
    job = Job(
        settings=settings,
        graph=TransformGraph(fn_args.transform_graph_path),
        backbone=backbone_directory(fn_args.base_model),
        train_files=fn_args.train_files,
        validation_files=fn_args.eval_files,
        examples=len(read_labels(fn_args.train_files)),
    )
    oracle = keras_tuner.oracles.BayesianOptimizationOracle(
        objective=keras_tuner.Objective(OBJECTIVE, "max"),
        max_trials=fn_args.custom_config["trials"],
        hyperparameters=search_space(settings),
        seed=settings.hyperparameters.seed,
    )
    search = Search(job, oracle=oracle, directory=fn_args.working_dir, project_name="search")
    return TunerFnResult(tuner=search, fit_kwargs={})


def search_space(settings: Settings) -> keras_tuner.HyperParameters:
    """What is searched, around the values that are set: learning rate, schedule, augmentation.

    Names are the keys of the configuration.
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
        space.Choice("augment.crop_area", [0.05, 0.35, 1.0], default=0.35)
        space.Int("augment.randaugment_layers", 0, 2, default=0)
        space.Choice("augment.mixup", [0.0, 0.2, 0.5], default=0.0)
    return space


class Search(keras_tuner.Tuner):
    """Runs the trials."""

    def __init__(self, job: Job, **options: Any) -> None:
        """
        Args:
          job: whose settings each trial changes.
          **options: of `keras_tuner.Tuner`.
        """
        super().__init__(hypermodel=lambda space: None, **options)
        self._job = job

    def run_trial(self, trial: keras_tuner.engine.trial.Trial) -> dict[str, float]:
        """The best validation accuracy of one training.

        Raises:
          FatalError: of KerasTuner: no trial can do better, or the process was asked to end.
        """
        settings = self._job.settings.changed(trial.hyperparameters.values)
        directory = self.get_trial_dir(trial.trial_id)
        try:
            fitted = dataclasses.replace(self._job, settings=settings).fit(
                make_strategy(settings.hyperparameters.strategy),
                os.path.join(directory, "checkpoints"),
                os.path.join(directory, "log"),
            )
        except (InputError, PreemptedError) as error:  # KerasTuner would go on with other trials
            raise keras_tuner.errors.FatalError(str(error)) from error
        fitted.checkpoints.remove()
        return {OBJECTIVE: max(epoch[OBJECTIVE] for epoch in fitted.history.values["epochs"])}
