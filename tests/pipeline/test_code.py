"""Tests which nodes run again after an edit of the code or with another version of a library.

The tests edit files in a copy of the project, and compare the fingerprints of the nodes' code,
which are part of TFX's cache keys. The tests in tests/end_to_end/test_cache.py check that TFX does
not run a node with the same key again. The tables in this file list, for each change, the nodes
whose fingerprints must change. The tables do not list the nodes that run again only because they
read the outputs of a listed node.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backbones.catalogue import MODELS
from common.fingerprint import FIRST_PARTY

FOLDER, DIGITS = {"kind": "folder", "path": "/data"}, {"kind": "digits"}
SOURCES = "components/image_example_gen/sources"
CATALOGUE = "backbones/catalogue.py"
ENTRY = """VARIANTS = {
    "vit_xs16": Variant(title="ViT XS/16", architecture=_vit(16, 192, 12, 3), top1=70.1),"""

NONE: set[str] = set()
INGESTION = {"example_gen"}
TRAINING = {"tuner", "trainer"}
MODEL = {"transform", "full_data_check", "evaluator", *TRAINING}

# The keys name edits of the code. Each value contains the image source of the pipeline, the
# replacements of text in files, and the nodes whose fingerprints must change.
EDITS = {
    "nothing": (FOLDER, [], NONE),
    "a new model of the catalogue": (FOLDER, [[CATALOGUE, "VARIANTS = {", ENTRY]], NONE),
    "a published figure": (FOLDER, [[CATALOGUE, "top1=84.018", "top1=84.02"]], NONE),
    "a title": (FOLDER, [[CATALOGUE, '"ViT B/16"', '"ViT base, 16"']], NONE),
    "a licence": (FOLDER, [[CATALOGUE, '"Apache-2.0"', '"MIT"']], NONE),
    "another model's architecture": (FOLDER, [[CATALOGUE, "_vit(8, 768", "_vit(8, 384"]], NONE),
    "a help text": (
        FOLDER,
        [
            [
                "trainer/training/hyperparameters.py",
                'learning_rate: float = option("',
                'learning_rate: float = option("the ',
            ]
        ],
        NONE,
    ),
    "a check's expectation": (
        FOLDER,
        [["common/options.py", 'POSITIVE = Check("', 'POSITIVE = Check("that is, ']],
        NONE,
    ),
    "errors": (
        FOLDER,
        [
            ["backbones/contract.py", "written by TensorFlow 1", "written by Google's {one_line}"],
            ["components/image_example_gen/enough_images.py", "no image for the split", "none for"],
            ["trainer/training/strategy.py", "tpu: no TPU can", "tpu: none can"],
        ],
        NONE,
    ),
    "a log line": (
        FOLDER,
        [["trainer/training/progress.py", 'logger.info("', 'logger.info("now it ']],
        NONE,
    ),
    "docstring, comment, formatting": (
        DIGITS,
        [
            ["trainer/preprocessing.py", "image / 127.5 - 1.0", "(image / 127.5) - 1.0  # exact"],
            [
                "trainer/model/backbone_layer.py",
                'class BackboneLayer(keras.layers.Layer):\n    """',
                'class BackboneLayer(\n    keras.layers.Layer,\n):\n    """Is one. ',
            ],
            [
                "components/packaged_schema/component.py",
                ') -> None:\n    """',
                ') -> None:\n    """It ',
            ],
        ],
        NONE,
    ),
    "a source that this run does not use": (
        FOLDER,
        [[f"{SOURCES}/digits.py", "(255 / 16)", "15"]],
        NONE,
    ),
    "a new kind of source": (
        FOLDER,
        [[f"{SOURCES}/kinds.py", "= {", '= {\n    "zip": "zip.ZipSource",']],
        NONE,
    ),
    "the index of contents": (
        FOLDER,
        [["common/content_index.py", "_THREADS = 8", "_THREADS = 9"]],
        NONE,
    ),
    "the source": (DIGITS, [[f"{SOURCES}/digits.py", "(255 / 16)", "15"]], INGESTION),
    "what the source inherits": (
        FOLDER,
        [[f"{SOURCES}/visible.py", 'startswith(".")', 'startswith("_")']],
        INGESTION,
    ),
    "normalisation of images": (
        FOLDER,
        [["components/image_example_gen/normalise.py", "QUALITY = 98", "QUALITY = 90"]],
        INGESTION,
    ),
    "oneDNN, off by default": (
        FOLDER,
        [["common/environment.py", 'OPTS", "1"', 'OPTS", "0"']],
        {*MODEL, *INGESTION, "serving_check", "report"},
    ),
    "a package's __init__": (
        FOLDER,
        [["trainer/__init__.py", "import common.env", "import os\nimport common.env"]],
        {*MODEL, *INGESTION, "serving_check", "report"},
    ),
    "the decoding that ingestion and serving share": (
        FOLDER,
        [["trainer/decoding/gif.py", '_WHITE = b"\\xff', '_WHITE = b"\\xfe']],
        {*INGESTION, *TRAINING},
    ),
    "the calibration of the model": (
        FOLDER,
        [["trainer/serving/calibration.py", "_BINS = 15", "_BINS = 14"]],
        {*TRAINING, "evaluator", "serving_check", "report"},
    ),
    "preprocessing": (FOLDER, [["trainer/preprocessing.py", "/ 127.5", "/ 127.0"]], MODEL),
    "a feature's name": (
        FOLDER,
        [["trainer/preprocessing.py", '"features"\n', '"the features"\n']],
        MODEL,
    ),
    "the classifier": (
        FOLDER,
        [["trainer/model/classifier.py", 'kernel_initializer="zeros", ', ""]],
        TRAINING,
    ),
    "the layout of this backbone": (
        FOLDER,
        [[CATALOGUE, "_vit(16, 768, 12, 12)", "_vit(16, 768, 11, 12)"]],
        TRAINING,
    ),
    "search for hyperparameters": (
        FOLDER,
        [["trainer/tuner.py", "import keras_tuner", "import math\n\nimport keras_tuner"]],
        {"tuner"},
    ),
    "evaluation": (
        FOLDER,
        [["components/model_evaluator/records.py", 'NONE = "none"', 'NONE = "no model"']],
        {"evaluator"},
    ),
    "the table of predictions": (
        FOLDER,
        [["components/model_evaluator/predictions.py", '"champion_"', '"baseline_"']],
        {"evaluator", "serving_check"},
    ),
    "the check of serving": (
        FOLDER,
        [["components/serving_check/probes.py", 'b"\\xff"', 'b"\\xfe"']],
        {"serving_check"},
    ),
    "the process that serves": (
        FOLDER,
        [["trainer/serving/session_model.py", '"--requests"]', '"--serve"]']],
        {"serving_check"},
    ),
    "pushing": (
        FOLDER,
        [["components/model_pusher/executor.py", '"was_served"', '"is_served"']],
        {"pusher"},
    ),
    "the check of the examples": (
        FOLDER,
        [["components/example_check/quarantine.py", "_MOST = 1 / 2", "_MOST = 1 / 3"]],
        {"example_check"},
    ),
    "the page of the report": (
        FOLDER,
        [["components/report/templates/style.css", "--paper:#f6f6f3", "--paper:#fff"]],
        {"report"},
    ),
    "the packaged schema": (
        FOLDER,
        [["components/packaged_schema/component.py", "/schema.pbtxt", "/schema.txt"]],
        {"schema"},
    ),
}
# The keys name libraries. Each value contains an image source and a set of nodes. If a pipeline
# with this image source runs with another version of the library, the fingerprints of the nodes in
# the set must change.
LIBRARIES = {
    "tensorflow": (
        FOLDER,
        # ImageExampleGen decodes images with TensorFlow's ops, so its fingerprint changes, too
        {*MODEL, *INGESTION, "serving_check", "report"},
    ),
    "keras": (FOLDER, TRAINING),
    # Trainer is not in this set, because its fingerprint does not depend on TFX. With another
    # version of TFX, Trainer runs again because the nodes that create its inputs run again.
    "tfx": (
        FOLDER,
        {
            *(
                "example_gen",
                "validation",
                "example_check",
                "data_check",
                "schema",
                "serving_check",
                "pusher",
                "report",
            ),
            *MODEL - {"trainer"},
        },
    ),
    "tensorflow-data-validation": (FOLDER, {"validation", "example_check"}),
    "tensorflow-transform": (FOLDER, MODEL),
    "tensorflow-model-analysis": (FOLDER, {"evaluator"}),
    "pyarrow": (FOLDER, {"evaluator", "serving_check"}),
    "pillow": (FOLDER, {*INGESTION, "data_check", "full_data_check", "serving_check", "report"}),
    "tensorflow-datasets": (FOLDER, NONE),
    "scikit-learn": (FOLDER, {*TRAINING, "full_data_check"}),  # linear probes
    "rich": (FOLDER, NONE),
}
LIBRARIES_OF_DIGITS = {"scikit-learn": (DIGITS, {*INGESTION, *TRAINING, "full_data_check"})}


def make_metadata(name):
    """Returns the path and the content of a METADATA file that gives the library `name` another
    version."""
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.0.1\n"
    return {f"{name.replace('-', '_')}-0.0.1.dist-info/METADATA": metadata}


STEPS = {
    **{("edit", name): step for name, step in EDITS.items()},
    **{
        ("library", name): (s, make_metadata(name), nodes) for name, (s, nodes) in LIBRARIES.items()
    },
    **{
        ("library of digits", name): (s, make_metadata(name), nodes)
        for name, (s, nodes) in LIBRARIES_OF_DIGITS.items()
    },
}


@pytest.fixture(scope="module")
def fingerprints(project, tmp_path_factory):
    """Returns the fingerprints of the nodes' code after each step in `STEPS`.

    The returned dictionary also contains the fingerprints of the unchanged code, by kind of image
    source.
    """
    copy = tmp_path_factory.mktemp("code") / "project"
    for name in FIRST_PARTY:
        shutil.copytree(project / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shapes = MODELS["vit_b16_fe"].architecture.array_shapes()
    # The models of the TF-Hub collection were converted from JAX, and their variables are sorted by
    # path. Therefore, the next line also sorts the shapes by path.
    stored = [shapes[name] for name in sorted(shapes, key=lambda name: name.split("/"))]
    steps = {source["kind"]: {"source": source} for source in (FOLDER, DIGITS)}
    for step, (source, change, _) in STEPS.items():
        key = "files" if isinstance(change, dict) else "edits"
        steps[step] = {"source": source, key: change}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "code_process.py")],
        cwd=copy,
        input=json.dumps([step | {"shapes": stored} for step in steps.values()]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return dict(zip(steps, lines, strict=True))


@pytest.mark.parametrize("step", STEPS, ids=": ".join)
def test_exactly_the_keys_of_dependent_nodes_change(fingerprints, step):
    source, _, nodes = STEPS[step]
    before, after = fingerprints[source["kind"]], fingerprints[step]
    assert set(before) == {
        *(
            "example_gen",
            "validation",
            "example_check",
            "data_check",
            "schema",
            "serving_check",
            "pusher",
            "report",
        ),
        *MODEL,
    }
    assert {node for node in before if before[node] != after[node]} == nodes


def test_only_the_registry_of_sources_imports_modules_by_name(project):
    """A fingerprint covers the modules that import statements name, so it would miss a module that
    `import_module` imports."""
    files = [path for name in ("components", "trainer") for path in (project / name).rglob("*.py")]
    found = {
        path.relative_to(project).as_posix()
        for path in files
        if re.search("import_module|__import__|runpy", path.read_text())
    }
    assert found == {f"{SOURCES}/registry.py"}
