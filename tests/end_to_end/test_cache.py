"""Tests that after a change, the nodes that depend on the change run again, and no other node.

The tests edit files in a copy of the project, and run this copy on a folder of digits with a tiny
backbone.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backbones.augreg.convert import convert
from backbones.augreg.initialization import random_arrays
from common.fingerprint import FIRST_PARTY
from tests.conftest import TINY, digit_folders

pytestmark = pytest.mark.slow

# The tests ignore Backbone, which runs each time: Backbone is an Importer, and TFX caches no
# Importer.
LOOKING = {"Backbone"}
FROM_EVALUATOR = {"Evaluator", "ServingCheck", "Pusher", "Report"}
FROM_TRAINER = {"Trainer", *FROM_EVALUATOR}
FROM_TRANSFORM = {"Transform", *FROM_TRAINER}
INSPECTED = {"ImageExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "DataCheck"}
EVERYTHING = {*INSPECTED, *FROM_TRANSFORM}


# Edits that change no result of the run: edits of messages, help texts and comments, and edits of
# the code for a model and an image source that the run does not use.
WORDING = [
    ["backbones/contract.py", "written by TensorFlow 1", "written by TensorFlow 1.x"],
    ["components/image_example_gen/enough_images.py", "no image for the split", "none for"],
    [
        "trainer/training/hyperparameters.py",
        "steps: int | None = option(\n",
        'steps: int | None = option(\n        "all "\n',
    ],
    ["trainer/model/classifier.py", "return keras.layers", "# At 0.\n    return keras.layers"],
    ["backbones/catalogue.py", "top1=84.018", "top1=84.02"],
    ["components/image_example_gen/sources/digits.py", "(255 / 16)", "15"],
]


def two_of_one_size(images: Path) -> list[str]:
    """Returns two image files of equal size and time, but of different classes and contents."""
    seen: dict[int, Path] = {}
    for path in sorted(images.glob("*/*")):
        other = seen.setdefault(path.stat().st_size, path)
        if other.parent != path.parent and other.read_bytes() != path.read_bytes():
            assert path.stat().st_mtime_ns == other.stat().st_mtime_ns
            return [str(path), str(other)]
    raise AssertionError("no two files have the same size")


def session(project: Path, folder: Path, steps: list[dict]) -> list[dict]:
    """Runs `steps` (see session.py) in a copy of the project below `folder`."""
    copy = folder / "project"
    for name in (*FIRST_PARTY, "pipeline_runner.py"):
        source = project / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    (folder / "steps.json").write_text(json.dumps(steps))
    script = Path(__file__).parent / "session.py"
    done = subprocess.run(
        [sys.executable, str(script), str(folder / "steps.json")],
        cwd=copy,
        env=os.environ | {"VIT_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(steps)
    return [result | {"ran": set(result["ran"]) - LOOKING} for result in results]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def results(project, folder):
    """Returns the results of all steps by name."""
    dataset = digit_folders(folder / "images", 300)
    exchanged = two_of_one_size(dataset)
    arrays = random_arrays(TINY, seed=0)
    backbone, changed = folder / "backbone", folder / "changed"
    convert(arrays, backbone)
    arrays["Transformer/encoder_norm/bias"][0] += 0.001
    convert(arrays, changed)
    weights = [
        [str(changed / "variables" / name), str(backbone / "variables" / name)]
        for name in ("variables.index", "variables.data-00000-of-00001")
    ]

    root, schema = folder / "root", folder / "digits.pbtxt"
    data = ["--dataset", str(dataset), "--name", "cache", "--pipeline-root", str(root)]
    base = ["--model", str(backbone), *data, "--tune", "head", "--epochs", "1"]
    base += ["--min-accuracy", "0", "--set", "gate.max_drop=1"]
    base += ["--set", "report.heat_map_seconds=0"]
    inspection, reviewed = [*data, "--inspect"], [*base, "--schema", str(schema)]
    preprocessing = ["trainer/preprocessing.py", "image / 127.5 - 1.0", "image / 127.0 - 1.0"]
    steps = {
        "first": {},
        "second": {},
        "full data check": {"arguments": [*base, "--data-check", "full"]},
        "inspection": {"arguments": inspection},
        "wording": {"edits": WORDING},
        "vanished": {"removals": [str(root / "serving")]},
        "hyperparameter": {"arguments": [*base, "--learning-rate", "0.01"]},
        "preprocessing": {"edits": [preprocessing]},
        "weight": {"copies": weights},
        "schema written": {"arguments": [*base, "--write-schema", str(schema)]},
        "schema too narrow": {
            "arguments": reviewed,
            "edits": [[str(schema), "max: 9", "max: 8"]],
        },
        "schema widened": {"arguments": reviewed, "edits": [[str(schema), "max: 8", "max: 99"]]},
        "images exchanged": {"arguments": inspection, "exchanges": [exchanged]},
        "damaged": {
            "arguments": inspection,
            "damages": f"{root}/ImageExampleGen/examples/*/Split-train/*",
        },
        "metadata lost": {
            "arguments": [*base, "--min-accuracy", "1"],
            "removals": [str(root / "metadata.sqlite")],
        },
        # To change the class balance, this step removes nine tenths of the images of two classes.
        "drifted": {"removals": [str(path) for path in dataset.glob("digit_[34]/*[1-9].*")]},
    }
    described = [{"arguments": base} | step for step in steps.values()]
    return dict(zip(steps, session(project, folder, described), strict=True))


def test_the_first_run_runs_everything(results):
    assert results["first"]["status"] == 0
    assert results["first"]["ran"] == EVERYTHING


def test_an_identical_second_run_computes_nothing(results):
    """No node runs again, although the first run's model is now the last blessed model."""
    assert results["second"]["ran"] == set()


def test_edits_of_wording_run_no_node(results):
    assert results["wording"]["ran"] == set()


def test_a_cached_run_prints_the_same_results(results):
    for name in ("second", "wording"):
        for key in ("status", "accuracy", "pushed"):
            assert results[name][key] == results["first"][key]


def test_an_inspection_reads_no_image_again_and_trains_nothing(results, folder):
    """Two nodes run again, because `--inspect` gives them limits that stop nothing."""
    assert results["inspection"]["ran"] == {"ExampleValidator", "DataCheck"}
    assert results["inspection"]["status"] == 0
    # The inspection wrote the first report in this folder; later runs added more reports.
    page = min((folder / "root" / "reports").glob("*.html"))
    text = page.read_text()
    assert "Inspected" in text
    assert '<ul class="sheet"><li><img' in text
    assert text.count("<h3>") >= 10  # a contact sheet for each digit


def test_a_model_that_vanished_from_serving_is_pushed_again(results):
    first, vanished = results["first"], results["vanished"]
    assert "Pusher" in vanished["ran"] <= FROM_EVALUATOR
    assert Path(vanished["pushed"]).parent == Path(first["pushed"]).parent
    assert vanished["pushed"] != first["pushed"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("full data check", {"DataCheck", "Report"}),
        ("hyperparameter", FROM_TRAINER),
        ("preprocessing", FROM_TRANSFORM),
        ("weight", FROM_TRANSFORM),
        ("images exchanged", INSPECTED),
        ("damaged", INSPECTED),
        ("schema widened", {"PackagedSchema", "ExampleValidator", *FROM_TRANSFORM}),
    ],
)
def test_a_change_runs_exactly_the_nodes_that_depend_on_it(results, change, expected):
    assert results[change]["ran"] == expected
    assert results[change]["status"] == 0


def test_damaged_examples_are_named(results):
    (line,) = results["damaged"]["notices"]
    assert "/Split-train/" in line
    assert "has changed since it was recorded" in line
    assert line.endswith("ImageExampleGen runs again")
    assert results["first"]["notices"] == []


def test_a_label_beyond_a_reviewed_schema_stops_the_run(results):
    assert (results["schema written"]["status"], results["schema written"]["ran"]) == (0, set())
    assert results["schema too narrow"]["status"] == 3
    assert results["schema too narrow"]["ran"] == {"StatisticsGen", "PackagedSchema"}


def test_a_class_balance_that_drifted_from_the_champions_stops_the_run(results):
    assert results["drifted"]["status"] == 3
    assert "ExampleValidator" not in results["drifted"]["ran"] <= EVERYTHING - FROM_TRANSFORM


def test_a_lost_metadata_store_does_not_replace_the_champion(results, folder):
    """Without the metadata store, the numbers of executions start with 1 again.

    TFX names the folder of a model after the number of Trainer's execution, which is the same in
    the first run and in the new run. The new run must not overwrite the first run's model, and must
    still find the champion.
    """
    lost = results["metadata lost"]
    assert (lost["status"], lost["ran"]) == (3, EVERYTHING)
    assert lost["pushed"] == "nothing was pushed"
    assert lost["compared"]
    models = {path.name for path in (folder / "root").glob("Trainer/model/*")}
    (beside,) = (name for name in models if "-" in name)
    assert beside.partition("-")[0] in models
