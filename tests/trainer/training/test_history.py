"""Tests of the hyperparameters in TensorBoard; test_loop.py tests the curves."""

import pytest
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorflow.compat.v1.train import summary_iterator

from pipeline.options.build import build_config
from pipeline.options.settings import Setting
from trainer.training.history import History
from trainer.training.run_label import RunLabel


def test_tensorboard_has_the_name_and_the_options_beside_the_recipe(tmp_path):
    given = {"model": "vit_mini_fe", "dataset": "digits", "train.epochs": 3, "augment.mixup": 0.2}
    given |= {"train.clip_norm": None, "name": "mine", "train.seed": 0}
    config = build_config({key: Setting(value, key) for key, value in given.items()})
    options = config.options_that_differ_from_recipe()
    assert options == {"train.epochs": 3, "train.clip_norm": None, "augment.mixup": 0.2}

    label = RunLabel(name=config.name, options=options)
    history = History(str(tmp_path), 10, {}, label)
    history.add_epoch(5, {"val_accuracy": 0.5})
    history.write()
    # TensorBoard names a run after the folder that contains the event file.
    (file,) = tmp_path.rglob("events.out.tfevents.*")
    assert file.parent.name == "mine,epochs=3,clip_norm=None,mixup=0.2"
    values = [value for event in summary_iterator(str(file)) for value in event.summary.value]
    (start,) = [value for value in values if value.tag == "_hparams_/session_start_info"]
    data = plugin_data_pb2.HParamsPluginData.FromString(start.metadata.plugin_data.content)
    found = {key: value for key, value in data.session_start_info.hparams.items()}
    assert found["name"].string_value == "mine"
    assert found["train.epochs"].number_value == 3
    assert found["train.clip_norm"].string_value == "None"
    assert found["augment.mixup"].number_value == pytest.approx(0.2)
    assert [value.tag for value in values if value.tag == "epoch/val_accuracy"]


def test_a_label_is_the_name_of_a_folder():
    label = RunLabel(name="a").with_options({"train.learning_rate": 1 / 3, "x.y": "b/c d"}, "-1")
    assert label.folder == "a-1,learning_rate=0.3333,y=b_c_d"
    assert len(RunLabel(name="a", options={f"k{n}": n for n in range(100)}).folder) == 150
    assert RunLabel().folder == ""
