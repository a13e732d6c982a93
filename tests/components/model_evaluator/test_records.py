import json
import os
import shutil
from pathlib import Path

import pytest

from common.errors import InputError
from components.model_evaluator.records import find_champions, last_blessed
from tests.components.model_evaluator.blessings import record


def champion(records, classes=("a", "b"), other_than="new"):
    return last_blessed(records, list(classes), other_than=other_than)


def test_the_last_blessed_model(blessings, records):
    assert champion(records) == blessings[1]


def test_a_training_is_not_compared_with_its_own_model(blessings, records):
    assert champion(records, other_than="two") == blessings[0]


def test_a_model_that_is_blessed_again_is_the_last(blessings, make_model, records):
    again = record(records, make_model("again"), "one")
    assert champion(records) == again
    assert champion(records, other_than="one") == blessings[1]


def test_the_records_of_two_trainings_are_found(blessings, make_model, records):
    new = record(records, make_model("new"), "new")
    again = record(records, make_model("again"), "new")
    assert list(find_champions(records, ["a", "b"]).items()) == [
        ("new", again),
        ("two", blessings[1]),
    ]
    assert new.record < again.record


def test_without_a_blessing_there_is_no_champion(records):
    assert champion(records) is None


def test_the_copy_survives_the_replacement_of_the_model(make_model, records, tmp_path):
    """If the metadata store was removed, a new model may get the URI of an old model.

    The URI of a model contains the number of the execution. With a new metadata store, TFX numbers
    the executions from 1 again.
    """
    model = make_model("7", 1.0)
    blessing = record(records, model, "one")
    shutil.rmtree(model)
    make_model("7", 2.0)
    blessing.check_copy()
    assert champion(records) == blessing


def test_a_copy_shares_its_bytes_with_the_model(make_model, records):
    model = make_model("1")
    copy = record(records, model, "one").model
    files = ("Format-Serving/saved_model.pb", "Format-Serving/assets.extra/classes.json")
    for name in files:
        assert os.path.samefile(f"{model}/{name}", f"{copy}/{name}")


def test_a_file_system_without_hard_links(make_model, records, monkeypatch):
    def refuse(*_):
        # FAT and some network file systems refuse hard links
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    model = make_model("1")
    blessing = record(records, model, "one")
    blessing.check_copy()
    assert not os.path.samefile(
        f"{model}/Format-Serving/saved_model.pb", f"{blessing.model}/Format-Serving/saved_model.pb"
    )


def test_the_same_content_is_kept_once_and_mended(make_model, records):
    model = make_model("1")
    first = record(records, model, "one")
    damaged = Path(first.model, "Format-Serving", "saved_model.pb")
    content = damaged.read_bytes()
    # `damaged` is a hard link to the model's own file, so writing to `damaged` would also change
    # the model. `unlink` removes only the link.
    damaged.unlink()
    damaged.write_bytes(content[:-1])
    Path(records, "models", ".abc.123").mkdir()  # left by a killed process
    second = record(records, model, "two")
    assert second.model == first.model
    second.check_copy()
    assert [p.name for p in Path(records, "models").iterdir()] == [Path(first.model).name]


def test_a_removed_model_is_skipped(blessings, records):
    assert blessings[0].model != blessings[1].model
    shutil.rmtree(blessings[1].model)
    assert champion(records) == blessings[0]
    shutil.rmtree(blessings[0].model)
    assert champion(records) is None


def test_a_damaged_copy_is_named(blessings):
    name = "Format-Serving/variables/variables.data-00000-of-00001"
    file = Path(blessings[1].model, name)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(InputError, match=f"{file} has changed.*last blessed model.*remove"):
        blessings[1].check_copy()
    file.write_bytes(b"")
    with pytest.raises(InputError, match=f"{file} has 0 bytes"):
        blessings[1].check_copy()
    file.unlink()
    with pytest.raises(InputError, match=f"{file} is missing"):
        blessings[1].check_copy()


@pytest.mark.parametrize("classes", [["b", "a"], ["a", "b", "c"]])
def test_a_model_of_other_classes_is_no_champion(blessings, records, classes):
    assert champion(records, classes) is None


@pytest.mark.parametrize(
    "content", ["", '{"model": "abc', "[]", '{"model": "/root/Trainer/model/7"}', "\x00" * 9]
)
def test_a_damaged_record_is_left_out_and_named(blessings, records, content, caplog):
    Path(blessings[1].record).write_text(content)
    assert champion(records) == blessings[0]
    (line,) = (entry.getMessage() for entry in caplog.records)
    assert line.startswith(f"{blessings[1].record}: is damaged (")


def test_records_in_a_bucket(make_model):
    """The test uses TensorFlow's `ram://` instead of a bucket: neither has links or locks."""
    records = "ram://bucket/blessed"
    blessing = record(records, make_model("1"), "one")
    blessing.check_copy()
    assert champion(records) == blessing


def test_the_data_of_a_training_are_recorded(blessings, records):
    assert champion(records).data == "data"
    assert champion(records).class_counts == (12, 34)


def test_a_record_of_an_earlier_version_has_no_data(blessings, records):
    file = Path(blessings[1].record)
    values = json.loads(file.read_text())
    del values["data"], values["class_counts"]
    file.write_text(json.dumps(values))
    assert (champion(records).data, champion(records).class_counts) == ("", ())


def test_counts_of_other_classes_are_damage(blessings, records, caplog):
    file = Path(blessings[1].record)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"class_counts": [1, 2, 3]}))
    assert champion(records) == blessings[0]
    assert "is damaged (3 counts for 2 classes)" in caplog.text
