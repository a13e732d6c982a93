"""Tests of `python -m trainer.predict` on tiny converted classifiers."""

import dataclasses
import functools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from backbones.augreg.convert import convert
from backbones.augreg.initialization import random_arrays
from tests.backbones.scripted_server import Answer, archive, files_of
from tests.conftest import TINY, encode, gradient
from trainer.predict import main
from trainer.prediction import answers, bulk
from trainer.serving.classifier import preprocess_image
from trainer.serving.imagenet import NAMES


def arrays(classes):
    """Returns a random checkpoint with a random head; the default head is all zeros."""
    arrays = random_arrays(dataclasses.replace(TINY, classes=classes), seed=0)
    head = arrays["head/kernel"]
    arrays["head/kernel"] = np.random.default_rng(1).normal(size=head.shape).astype(np.float32)
    return arrays


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    directory = tmp_path_factory.mktemp("classifier") / "tiny"
    convert(arrays(1000), directory, task="classification")
    return directory


@pytest.fixture
def files(tmp_path):
    """Writes three different images: a JPEG, a PNG and a GIF."""
    files = []
    for index, format in enumerate(("JPEG", "PNG", "GIF")):
        files.append(tmp_path / f"{index}.{format.lower()}")
        files[-1].write_bytes(encode(gradient(20 + 9 * index, 30).rotate(90 * index), format))
    return files


def expected(directory, files, top):
    """Returns the expected rows of `parse_output`: NumPy's softmax of the loaded model's logits."""
    model = tf.saved_model.load(str(directory))
    pixels = tf.stack([preprocess_image(tf.constant(f.read_bytes()), 16, 16) for f in files])
    rows = []
    logits = model(pixels, training=False).numpy().astype(np.float64)
    for file, exponentials in zip(files, np.exp(logits), strict=True):
        percents = 100 * exponentials / exponentials.sum()
        for index in np.argsort(percents)[::-1][:top]:
            rounded = pytest.approx(percents[index], abs=0.0051)
            rows.append((str(file), rounded, NAMES[index]))
    return rows


def parse_output(text):
    """Parses the output, a line for each image; returns rows of image, percent and name."""
    rows = []
    for line in text.splitlines():
        image = line.split()[0]
        classes = re.findall(r"(\d+\.\d\d) %  (.+?)(?=  |$)", line)
        rows += [(image, float(percent), label) for percent, label in classes]
    return rows


@pytest.mark.parametrize("batch_size", [2, 32])
def test_the_likeliest_classes_are_those_of_the_model(classifier, files, capsys, batch_size):
    arguments = ["--model", str(classifier), "--batch-size", str(batch_size), "--top", "5"]
    assert main([*arguments, *map(str, files)]) == 0
    out, err = capsys.readouterr()
    assert parse_output(out) == expected(classifier, files, 5)
    assert len(out.splitlines()) == len(files)
    assert len({line.index(" %") for line in out.splitlines()}) == 1
    assert err == ""


def test_the_number_of_classes_can_be_chosen(classifier, files, capsys):
    assert main(["--model", str(classifier), *map(str, files)]) == 0
    assert parse_output(capsys.readouterr().out) == expected(classifier, files, 1)
    assert main(["--model", str(classifier), "--top", "2", *map(str, files)]) == 0
    assert parse_output(capsys.readouterr().out) == expected(classifier, files, 2)


def test_a_checkpoint_is_converted_with_its_head(classifier, files, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_HOME", str(tmp_path / "home"))
    np.savez(tmp_path / "tiny.npz", **arrays(1000))
    assert main(["--model", str(tmp_path / "tiny.npz"), *map(str, files)]) == 0
    assert parse_output(capsys.readouterr().out) == expected(classifier, files, 1)


def test_invalid_images_do_not_stop_the_others(classifier, files, capsys, tmp_path):
    (tmp_path / "rubbish.jpg").write_bytes(b"rubbish")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "cut.jpg").write_bytes(files[0].read_bytes()[:300])
    bad = [tmp_path / name for name in ("missing.jpg", "rubbish.jpg", "empty.jpg", "cut.jpg", ".")]
    bad[-1] = tmp_path / "unreadable.jpg"
    bad[-1].symlink_to(tmp_path / "gone")
    mixed = [bad[0], files[0], *bad[1:], *files[1:]]
    assert main(["--model", str(classifier), "--batch-size", "3", *map(str, mixed)]) == 1
    out, err = capsys.readouterr()
    assert parse_output(out) == expected(classifier, files, 1)
    lines = err.splitlines()
    assert [line.split(": ")[1] for line in lines] == list(map(str, bad))
    assert "cannot be read (No such file or directory)" in lines[0]
    assert all("does not decode; expected a JPEG" in line for line in lines[1:4])


def test_no_readable_image_at_all(classifier, capsys):
    assert main(["--model", str(classifier), "missing.jpg"]) == 1
    assert capsys.readouterr().out == ""


def test_other_classifiers_have_numbers_for_names(files, tmp_path, capsys):
    convert(arrays(7), tmp_path / "seven", task="classification")
    assert main(["--model", str(tmp_path / "seven"), "--top", "9", str(files[0])]) == 0
    out, err = capsys.readouterr()
    assert sorted(label for _, _, label in parse_output(out)) == list("0123456")
    assert "has 7 outputs, not ImageNet's 1000" in err
    assert err.count("\n") == 1


def test_untrained_weights_are_announced(files, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_HOME", str(tmp_path))
    arguments = ["--model", "vit_s16_classification", "--weights", "random"]
    assert main([*arguments, str(files[0])]) == 0
    out, err = capsys.readouterr()
    assert "UNTRAINED" in err
    assert [row[1] for row in parse_output(out)] == [0.1]  # the head of a random model is all zeros


def test_folders_at_any_depth(classifier, files, capsys, tmp_path):
    """Images are sorted by name; hidden files and files without an image suffix are left out."""
    below = tmp_path / "folder" / "a" / "b"
    below.mkdir(parents=True)
    moved = [Path(shutil.copy(file, below)) for file in files]
    shutil.copy(files[0], tmp_path / "folder" / ".hidden.jpg")
    (tmp_path / "folder" / "Thumbs.db").write_bytes(b"x")
    assert main(["--model", str(classifier), str(tmp_path / "folder")]) == 0
    assert parse_output(capsys.readouterr().out) == expected(classifier, moved, 1)
    (tmp_path / "empty").mkdir()
    assert main(["--model", str(classifier), str(tmp_path / "empty")]) == 2
    assert "no image in this folder" in capsys.readouterr().err


def read_table(path):
    """Returns the rows of an output file, with parsed numbers."""
    if path.suffix == ".csv":
        return pd.read_csv(path, keep_default_na=False).to_dict("records")
    if path.suffix == ".parquet":
        return pd.read_parquet(path).to_dict("records")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(bulk, "SHARD", 2)


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
@pytest.mark.usefixtures("small_shards")
def test_a_table(classifier, files, capsys, tmp_path, format):
    """The rows have the order of the given files; the rows of invalid images contain errors."""
    (tmp_path / "rubbish.jpg").write_bytes(b"rubbish")
    paths = [files[0], tmp_path / "rubbish.jpg", tmp_path / "missing.jpg", *files[1:]]
    output = tmp_path / f"answers.{format}"
    arguments = ["--model", str(classifier), "--top", "2", "--output", str(output)]
    assert main([*arguments, *map(str, paths)]) == 1
    out, err = capsys.readouterr()
    assert "5 images, 2 of them without an answer" in out
    assert "rubbish.jpg: does not decode" in err
    rows = read_table(output)
    assert [row["image"] for row in rows] == list(map(str, paths))
    found = [
        (row["image"], 100 * row[f"probability{suffix}"], row[f"label{suffix}"])
        for row in rows
        if not row["error"]
        for suffix in ("", "_2")
    ]
    assert found == expected(classifier, files, 2)
    assert [row["accepted"] for row in rows] == [True, False, False, True, True]
    assert rows[1] | {"label_id": -1, "probability": 0, "label": ""} == rows[1]
    listed = (tmp_path / f"answers.{format}.quarantine.jsonl").read_text().splitlines()
    assert [json.loads(line)["image"] for line in listed] == list(map(str, paths[1:3]))
    assert not (tmp_path / f"answers.{format}.parts").exists()


def test_a_killed_run_is_continued(classifier, files, tmp_path, monkeypatch, capsys):
    """If the next run gets the same images, it classifies only the shards that are missing."""
    monkeypatch.setattr(bulk, "SHARD", 1)
    answered = []

    def failing(classifier, batch, top, failing_at="2.gif"):
        answered.extend(image.name for image in batch)
        if any(image.name.endswith(failing_at) for image in batch):
            raise RuntimeError("killed")
        return answers.answer_batch(classifier, batch, top)

    def run(*paths, failing_at):
        answered.clear()
        monkeypatch.setattr(bulk, "answer_batch", functools.partial(failing, failing_at=failing_at))
        return main([*arguments, *map(str, paths)])

    output = tmp_path / "answers.csv"
    arguments = ["--model", str(classifier), "--batch-size", "1", "--output", str(output)]
    with pytest.raises(RuntimeError, match="killed"):
        run(*files, failing_at="2.gif")
    assert not output.exists()
    with pytest.raises(RuntimeError, match="killed"):
        run(*files, failing_at="2.gif")
    assert answered == [str(files[2])]
    assert run(*files, failing_at="none") == 0
    assert answered == [str(files[2])]
    assert [row["image"] for row in read_table(output)] == list(map(str, files))
    with pytest.raises(RuntimeError, match="killed"):
        run(*files, failing_at="2.gif")
    # This run gets other images than the killed run, so it does not reuse the shards of that run.
    assert run(files[1], failing_at="none") == 0
    assert [row["image"] for row in read_table(output)] == [str(files[1])]


@pytest.mark.slow
def test_a_download_is_shown(classifier, files, server, tmp_path):
    """stderr shows the download of the model, and none of TensorFlow's messages."""
    packed = archive(files_of(classifier))
    url = server.answer("/tiny.tar.gz", Answer(body=packed))
    done = subprocess.run(
        [sys.executable, "-m", "trainer.predict", "--model", url, str(files[0])],
        env=os.environ | {"VIT_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=True,
    )
    size = f"{len(packed) / 1e6:.1f} MB"
    assert done.stderr == f"downloading {url}: {size}\ndownloaded {url}: {size}\n"
    assert len(done.stdout.splitlines()) == 1


def test_a_saved_model_without_the_interface(files, tmp_path, capsys):
    module = tf.Module()
    module.weight = tf.Variable(1.0)
    tf.saved_model.save(module, str(tmp_path / "model"))
    assert main(["--model", str(tmp_path / "model"), str(files[0])]) == 2
    error = capsys.readouterr().err
    assert "has no __call__" in error
    assert error.count("\n") == 1


def test_a_program_is_refused_unless_it_is_trusted(classifier, files, tmp_path, capsys):
    """The file classes.json, which every exported model has, must not make the command trust a
    model."""
    model = tf.saved_model.load(str(classifier))
    model.more = tf.function(tf.io.read_file, [tf.TensorSpec([], tf.string)])
    tf.saved_model.save(model, str(tmp_path / "model"))
    assert main(["--model", str(tmp_path / "model"), str(files[0])]) == 2
    error = capsys.readouterr().err
    assert "does more than compute: it has ReadFile in " in error
    assert error.count("\n") == 1
    assert main(["--model", str(tmp_path / "model"), "--trust-model", str(files[0])]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    (tmp_path / "model" / "assets.extra").mkdir()
    (tmp_path / "model" / "assets.extra" / "classes.json").write_text('["a", "b"]')
    assert main(["--model", str(tmp_path / "model"), str(files[0])]) == 2
    assert "does more than compute: it has ReadFile in " in capsys.readouterr().err


def test_names_of_files_and_classes_are_text(classifier, files, tmp_path, capsys, monkeypatch):
    evil = tmp_path / "a\x1b[2J\nb\udcff.jpg"
    evil.write_bytes(files[0].read_bytes())
    monkeypatch.setattr("trainer.predict.NAMES", ["c\x1b[31m\u202ed"] * len(NAMES))
    arguments = ["--model", str(classifier), "--top", "2", str(evil), f"{evil}.missing"]
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    (line,) = out.splitlines()
    assert line.startswith(rf"{tmp_path}/a\x1b[2J\nb\udcff.jpg  ")
    assert line.count(r"  c\x1b[31m\u202ed") == 2
    assert rf"{tmp_path}/a\x1b[2J\nb\udcff.jpg.missing: cannot be read" in err
    assert err.count("\n") == 1


def test_a_saved_model_whose_weights_are_cut_short(classifier, files, tmp_path, capsys):
    model = shutil.copytree(classifier, tmp_path / "model")
    (data,) = model.glob("variables/variables.data*")
    data.write_bytes(b"")
    assert main(["--model", str(model), str(files[0])]) == 2
    error = capsys.readouterr().err
    assert f"{model}: this SavedModel cannot be loaded" in error
    assert error.count("\n") == 1


def test_usage_errors_are_reported_without_tensorflow(tmp_path):
    """All cases run in one process, in which an import of TensorFlow fails."""
    headless = random_arrays(TINY, seed=0)
    np.savez(tmp_path / "headless.npz", **headless)
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from trainer.predict import main\n"
        "for arguments in sys.argv[1:]:\n"
        "    try: print(main(arguments.split()))\n"
        "    except SystemExit as error: print(error.code)"
    )
    wrong = {
        "--model vit_b16_fe a.jpg": "expected a classifier, such as vit_b16_classification",
        "--model vit_mini_fe a.jpg": "such as vit_b16_classification",
        "--model vit_b17 a.jpg": "no such model in the catalogue and no such path",
        f"--model {tmp_path} a.jpg": "no SavedModel",
        f"--model {'a' * 300} a.jpg": "no such model in the catalogue and no such path",
        f"--model {tmp_path} --weights random a.jpg": "expected a catalogue name",
        f"--model {tmp_path}/headless.npz a.jpg": "expected a head, which a classifier needs",
        "a.jpg": "--model",
        "--model vit_b16_classification": "IMAGE",
        "--model vit_b16_classification --top 0 a.jpg": "found '0'",
        "--model vit_b16_classification --output a.txt a.jpg": "ends in .csv, .jsonl, .parquet",
        "--model vit_b16_classification --beam-arg=--x a.jpg": "has no effect without --output",
    }
    process = subprocess.run(
        [sys.executable, "-c", code, *wrong],
        env={"VIT_HOME": str(tmp_path / "home"), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.split() == ["2"] * len(wrong)
    for line, message in zip(process.stderr.splitlines(), wrong.values(), strict=True):
        assert line.startswith("python -m trainer.predict: ")
        assert message in line


@pytest.mark.slow
def test_the_command_itself(classifier, real_images):
    """The command classifies real images, and prints none of TensorFlow's messages."""
    command = [sys.executable, "-m", "trainer.predict", "--model", str(classifier)]
    files = real_images[:40]
    process = subprocess.run(
        [*command, *map(str, files), "missing.jpg"], capture_output=True, text=True, check=False
    )
    assert process.returncode == 1
    assert parse_output(process.stdout) == expected(classifier, files, 1)
    assert process.stderr == (
        "python -m trainer.predict: missing.jpg: cannot be read (No such file or directory)\n"
    )
