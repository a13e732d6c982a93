"""Tests of options that only some kinds of image sources accept."""

import pytest

from common.errors import InputError
from components.image_example_gen.sources.kinds import KINDS
from components.image_example_gen.sources.registry import make_source
from pipeline.options.build import build_config, read_config
from pipeline.options.settings import Setting
from pipeline.options.source_options import _TAKEN
from tests.conftest import class_folder


def config(dataset, **values):
    settings = {"model": "vit_b16_fe", "dataset": str(dataset)} | values
    return build_config({key: Setting(value, f"--set {key}") for key, value in settings.items()})


def test_every_kind_has_its_options():
    assert set(_TAKEN) == set(KINDS)


def test_options_become_arguments_of_the_source(tmp_path):
    plain = {"kind": "folder", "path": str(tmp_path)}
    assert config(tmp_path).source == plain
    given = {"ingest.splits.train": "a, b", "ingest.splits.test": ["c"], "ingest.classes": "x,y"}
    made = config(tmp_path, **given)
    assert made.source == plain | {
        "splits": {"train": ["a", "b"], "test": ["c"]},
        "classes": ["x", "y"],
    }
    assert read_config(made.to_json()) == made
    assert config(tmp_path, **{"ingest.layout": "classes"}).source == plain | {"layout": "classes"}


@pytest.mark.parametrize("kind", ["folder", "remote_folder", "manifest", "tfrecord"])
def test_sources_take_these_arguments(kind):
    arguments = {name: [] if name == "classes" else {} for name in _TAKEN[kind]}
    make_source({"kind": kind, "path": "/x", **arguments})


def test_options_without_effect_are_refused(tmp_path):
    folder = class_folder(tmp_path / "data")
    for dataset, given, message in (
        (
            "digits",
            {"ingest.classes": "a,b"},
            "ingest.classes: has no effect with --dataset digits",
        ),
        ("tfds:x", {"ingest.splits.test": "a"}, "ingest.splits.test: has no effect with"),
        (
            folder,
            {"ingest.features.image": "i"},
            "a dataset of the kind folder; expected one of tfr",
        ),
        (
            folder,
            {"ingest.layout": "classes", "ingest.splits.test": "a"},
            r"--set ingest\.splits\.test: has no effect with --set ingest\.layout classes",
        ),
    ):
        with pytest.raises(InputError, match=message):
            config(dataset, **given)
