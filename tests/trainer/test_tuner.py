"""Tests of the search for hyperparameters, with a head that has four input features."""

import json
import re
from types import SimpleNamespace

import keras
import keras_tuner
import pytest
from tfx.components.trainer.fn_args_utils import FnArgs

from backbones.contract import Shapes
from common.custom_config import from_custom_config
from common.errors import InputError
from tests.trainer.small_training import CLASSES, Graph, write_counts, write_features
from trainer import tuner
from trainer.input.augmentation import Augmentation
from trainer.model.classifier import make_probe
from trainer.training.hyperparameters import Hyperparameters
from trainer.training.settings import TrainingSettings, TunerSettings


@pytest.fixture
def fn_args(tmp_path, tiny_backbone, monkeypatch):
    """Returns the FnArgs that TFX passes to `tuner_fn`, for a head with 4 input features."""
    data = tmp_path / "Split-train"
    data.mkdir()
    write_features(data)
    write_counts(data)
    monkeypatch.setattr(tuner, "TransformGraph", lambda directory: Graph())
    monkeypatch.setattr(tuner, "read_shapes", lambda directory: Shapes(16, 16, 4))
    return FnArgs(
        train_files=[str(data / "train-*")],
        eval_files=[str(data / "validation")],
        transform_graph_path="",
        base_model=str(tiny_backbone),
        working_dir=str(tmp_path / "tuner"),
        custom_config={
            "training": {
                "tune": "head",
                "classes": [str(label) for label in range(CLASSES)],
                "hyperparameters": {"epochs": 3, "batch_size": 10, "learning_rate": 0.1},
                "augmentation": {},
            },
            "label": {"name": "flowers", "options": {}},
            "trials": 3,
            "code_fingerprint": "",
        },
    )


def test_the_best_trial_is_found(fn_args, tmp_path):
    result = tuner.tuner_fn(fn_args)
    result.tuner.search(**result.fit_kwargs)
    trials = result.tuner.oracle.get_best_trials(10)
    assert len(trials) == 3
    scores = [trial.score for trial in trials]
    assert scores == sorted(scores, reverse=True)
    rates = {trial.hyperparameters.get("train.learning_rate") for trial in trials}
    assert len(rates) == 3
    first = result.tuner.oracle.trials[result.tuner.oracle.start_order[0]]
    assert first.hyperparameters.get("train.learning_rate") == 0.1  # the configured rate
    assert first.hyperparameters.get("train.schedule") == "cosine"
    assert all(0.01 <= rate <= 1 for rate in rates)
    (best,) = result.tuner.get_best_hyperparameters()
    # TFX writes the best hyperparameters as JSON, which Trainer reads.
    config = json.loads(json.dumps(best.get_config()))
    values = keras_tuner.HyperParameters.from_config(config).values
    settings = from_custom_config(TunerSettings, fn_args.custom_config)
    settings = settings.training.replace_options(values)
    assert settings.hyperparameters.learning_rate == trials[0].hyperparameters.get(
        "train.learning_rate"
    )
    assert settings.hyperparameters.epochs == 3
    assert not list((tmp_path / "tuner").rglob("checkpoints/*"))
    # In TensorBoard, the name of a trial consists of the run's name and the trial's values.
    folders = {file.parent.name for file in (tmp_path / "tuner").rglob("events.out.tfevents.*")}
    assert len(folders) == 3
    assert all(re.match("flowers-trial-.*,learning_rate=.*,schedule=", name) for name in folders)


def test_shapes_are_read_once_for_all_trials(fn_args, monkeypatch):
    read = []

    def read_shapes(directory):
        read.append(directory)
        return Shapes(16, 16, 4)

    for module in ("trainer.tuner", "backbones.contract", "trainer.training.training_job"):
        monkeypatch.setattr(f"{module}.read_shapes", read_shapes, raising=False)
    tuner.tuner_fn(fn_args).tuner.search()
    assert len(read) == 1


def test_trials_are_removed_from_the_global_state_of_keras(fn_args):
    """Keras counts layers and models in a global state, and uses the counts in default names."""
    keras.layers.Dense(1)
    result = tuner.tuner_fn(fn_args)
    result.tuner.search(**result.fit_kwargs)
    # The name shows that Keras has counted only one other model, that of the last trial.
    assert make_probe(4, CLASSES).name == "sequential_1"


def test_no_example_is_read_to_count_them(fn_args, tmp_path):
    for file in (tmp_path / "Split-train").glob("train-*"):
        file.write_bytes(b"")
    counts = {"by_label": {"train": {"0": 20, "1": 30}}}
    (tmp_path / "counts.json").write_text(json.dumps(counts))
    fn_args.custom_config["training"]["hyperparameters"] |= {"batch_size": 51}
    with pytest.raises(keras_tuner.errors.FatalError, match="found 50 training images"):
        tuner.tuner_fn(fn_args).tuner.search()


@pytest.mark.parametrize(("keep", "score"), [("last", 0.5), ("best", 0.9)])
def test_the_score_is_the_accuracy_of_the_exported_weights(fn_args, monkeypatch, keep, score):
    """The mocked training has its best accuracy in the second of three epochs."""
    fn_args.custom_config["training"]["hyperparameters"] |= {"keep": keep}
    fn_args.custom_config["trials"] = 1
    epochs = [{"val_accuracy": accuracy} for accuracy in (0.3, 0.9, 0.5)]
    fitted = SimpleNamespace(
        history=SimpleNamespace(values={"epochs": epochs}),
        checkpoints=SimpleNamespace(remove=lambda: None),
    )
    monkeypatch.setattr("trainer.training.training_job.TrainingJob.fit", lambda *arguments: fitted)
    search = tuner.tuner_fn(fn_args).tuner
    search.search()
    (trial,) = search.oracle.get_best_trials(1)
    assert trial.score == score


def test_an_error_of_every_trial_ends_the_search(fn_args):
    fn_args.custom_config["training"]["hyperparameters"] |= {"accumulation": 3}
    result = tuner.tuner_fn(fn_args)
    with pytest.raises(keras_tuner.errors.FatalError, match="expected a multiple of 3") as error:
        result.tuner.search()
    assert isinstance(error.value.__cause__, InputError)


def test_augmentation_is_searched_only_with_full_tuning():
    def names(tune):
        space = tuner.search_space(_settings(tune, Hyperparameters(), Augmentation()))
        return set(space.values)

    assert names("head") == {"train.learning_rate", "train.schedule"}
    assert names("full") > names("head")
    assert {name.split(".")[0] for name in names("full")} == {"train", "augment"}
    # The search leaves out the crop area, because the configured augmentation has no crops.
    assert "augment.crop_area" not in names("full")


def test_the_defaults_of_the_search_are_the_given_values():
    """A configured value, such as a mixup of 0.8, need not be one of the choices of the search."""
    settings = _settings(
        "full",
        Hyperparameters(learning_rate=0.02, schedule="linear"),
        Augmentation(crop_area=0.1, mixup=0.8, randaugment_layers=4),
    )
    space = tuner.search_space(settings)
    assert settings.replace_options(space.values) == settings
    found = {tuple(hp.values) for hp in space.space if hp.name == "augment.mixup"}
    assert found == {(0.0, 0.2, 0.5, 0.8)}


def test_trials_of_a_multiworker_training_run_on_one_worker(fn_args, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    fn_args.custom_config["training"]["hyperparameters"] |= {"strategy": "multiworker", "epochs": 1}
    fn_args.custom_config["trials"] = 1
    result = tuner.tuner_fn(fn_args)
    result.tuner.search()
    assert len(result.tuner.oracle.get_best_trials(2)) == 1


def _settings(tune, hyperparameters, augmentation):
    return TrainingSettings(
        tune=tune,
        classes=("a", "b"),
        hyperparameters=hyperparameters,
        augmentation=augmentation,
    )
