"""Tests that benchmarks/trainer.py runs and prints every row.

The measured times mean nothing, because the models are tiny.
"""

import numpy as np
import PIL.Image
import pytest

from benchmarks.trainer import main
from tests.conftest import encode

SMALL = ["--model", "vit_mini_fe", "--batch-size", "2", "--steps", "1", "--rounds", "1"]


def rows(capsys, *arguments):
    """Runs the benchmark; returns the rows by name, and the lines about the model and the data.

    Each row is a tuple: the measured numbers as a list, and the required ratio as text, such as
    ">= 0.95".
    """
    main([*arguments, *SMALL])
    model, data, _, *lines = capsys.readouterr().out.splitlines()
    columns = [(line[:40].strip(), line[40:].split(maxsplit=3)) for line in lines]
    return {name: ([*map(float, figures)], goal) for name, (*figures, goal) in columns}, model, data


@pytest.mark.slow
def test_steps_and_input(capsys):
    found, model, data = rows(capsys, "steps", "input", "--images", "4")
    assert model.startswith("vit_mini_fe, batch 2, ")
    assert data == "4 images: generated JPEGs of 500 x 375"
    assert {name: goal for name, (_, goal) in found.items()} == {
        "training, steps/s": ">= 0.95",
        "and checkpoints": ">= 0.95",
        "input, images/s": ">= 0.95",
        "input, images/s per core": ">= 0.95",
        "input, crop and flip, images/s": ">= 0.95",
        "input, crop and flip, images/s per core": ">= 0.95",
    }
    assert all(len(figures) == 3 and min(figures) > 0 for figures, _ in found.values())
    assert found["and checkpoints"][0][2] < found["training, steps/s"][0][2]


@pytest.mark.slow
def test_memory_with_given_images(capsys, tmp_path):
    (tmp_path / "class").mkdir()
    pixels = np.zeros([24, 32, 3], np.uint8)
    (tmp_path / "class" / "0.jpg").write_bytes(encode(PIL.Image.fromarray(pixels), "JPEG"))
    (tmp_path / "class" / "1.txt").write_text("no JPEG")
    found, _, data = rows(capsys, "memory", "--images", "4", "--data-dir", str(tmp_path))
    assert data == f"4 images: {tmp_path}"
    ((often, once, ratio), goal) = found["peak MiB, data x 10 and x 1"]
    assert goal == "<= 1.1"
    assert ratio == pytest.approx(often / once, abs=0.01)


def test_an_unknown_part(capsys):
    with pytest.raises(SystemExit):
        main(["stepps"])
    assert "stepps: expected some of steps, input, memory" in capsys.readouterr().err
