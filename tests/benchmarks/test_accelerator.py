"""Tests that benchmarks/accelerator.py runs and prints every row.

The measured times mean nothing, because the models are tiny and run on a CPU.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.accelerator import main

PROJECT = Path(__file__).parents[2]

SMALL = [
    *("--ways", "plain", "--models", "vit_mini_fe", "--memory-models", "vit_mini_fe"),
    *("--precision", "float32"),
    *("--agreement-model", "vit_mini_fe", "--agreement-batch-size", "4", "--batch-sizes", "4"),
    *("--forward-batch-sizes", "1", "--memory-batch-sizes", "4", "--images", "16"),
    *("--loop-steps", "2", "--rounds", "2", "--seconds", "0.05"),
]


@pytest.mark.slow
def test_every_row_is_measured_and_each_step_compiled_once(tmp_path, monkeypatch, capsys):
    """XLA compiles each step once: changed weights do not cause another compilation."""
    flags = f"--xla_dump_to={tmp_path}/xla --xla_dump_hlo_module_re=inference_(compiled|_update).*"
    monkeypatch.setenv("XLA_FLAGS", flags)
    main([*SMALL, "--output", str(tmp_path / "table.md")])
    printed = capsys.readouterr().out
    assert (tmp_path / "table.md").read_text() == printed
    title, _, _, _, *rows = printed.splitlines()
    assert re.fullmatch(r"\S.*, TensorFlow \d.*", title)
    assert len(rows) == 13
    assert not [row for row in rows if "failed" in row or "not measured" in row]
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    ratios = {name: ratio for name, _, _, ratio, _ in cells}
    for name, ratio in ratios.items():
        if "device and CPU" in name:
            assert float(ratio) < 1e-2
    modules = [name for name in os.listdir(tmp_path / "xla") if "before_optimizations.txt" in name]
    # Each of four measurements makes XLA compile a training step once: the loop, one replica,
    # mirrored replicas, and memory. Three of the measurements, all except mirrored replicas, also
    # make XLA compile the optimizer's update once.
    assert sum("inference_compiled" in name for name in modules) == 4
    assert sum("inference__update" in name for name in modules) == 3


@pytest.mark.slow
def test_rows_for_which_there_is_no_time_are_named(capsys):
    main([*SMALL, "memory", "agreement", "--minutes", "0"])
    rows = capsys.readouterr().out.splitlines()[4:]
    assert len(rows) == 5
    assert all("| not measured: out of time |" in row for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trainign"], "trainign: expected some of training, forward, agreement"),
        (["--models", "nope"], "nope: expected catalogue names"),
        (["--rounds", "0"], "--rounds: found '0'"),
    ],
)
def test_bad_usage(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_the_benchmark_needs_no_tfx():
    """A machine with a GPU may have TensorFlow and Keras, but not TFX."""
    code = (
        "import sys, benchmarks.accelerator, benchmarks.sides.tensorflow_side;"
        "print([name for name in ('tfx', 'tensorflow_transform', 'apache_beam', 'tensorflow_hub')"
        " if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
