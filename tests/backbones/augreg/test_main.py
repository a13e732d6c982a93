import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from backbones.augreg.__main__ import main


def run_without_tensorflow(*arguments):
    """Runs the command in a process in which the import of TensorFlow fails."""
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from backbones.augreg.__main__ import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_converts(checkpoint_path, expected, tmp_path, capsys):
    output = tmp_path / "models" / "tiny"
    arguments = ["--checkpoint", checkpoint_path("tiny_plain"), "--output", output]
    assert main([*map(str, arguments), "--task=classification", "--image-size=96"]) == 0
    golden = expected("tiny_plain")
    logits = tf.saved_model.load(str(output))(golden["inputs_96"])
    np.testing.assert_allclose(logits, golden["logits_96"], rtol=0, atol=2e-5)
    assert capsys.readouterr().out == f"{output}: 77,095 parameters, 96 px, 7 logits\n"


def test_help_needs_no_tensorflow():
    process = run_without_tensorflow("--help")
    assert process.returncode == 0
    for option in ("--checkpoint", "--output", "--task", "--image-size", "--precision"):
        assert option in process.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: --checkpoint, --output"),
        (["--checkpoint=a.npz", "--output=b", "--task=detection"], "'detection'"),
        (["--checkpoint=a.npz", "--output=b", "--image-size=big"], "'big'"),
        (["--checkpoint=a.npz", "--output=b", "--precision=int8"], "'int8'"),
        (["--checkpoint=a.npz", "--output=b", "c"], "unrecognized arguments: c"),
    ],
)
def test_bad_usage(arguments, message):
    process = run_without_tensorflow(*arguments)
    assert process.returncode == 2
    assert message in process.stderr
    assert process.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("missing", [], "no such file"),
        ("tiny_plain", ["--image-size=65"], "image size 65"),
        ("tiny_plain", ["--image-size=1600000"], "do not fit into memory"),
        ("tiny_plain", [f"--image-size={16 * 10**17}"], "do not fit into memory"),
    ],
)
def test_bad_input(name, options, message, checkpoint_path, tmp_path):
    arguments = ["--checkpoint", checkpoint_path(name), "--output", tmp_path / "backbone"]
    process = run_without_tensorflow(*arguments, *options)
    assert process.returncode == 1
    assert message in process.stderr
    assert process.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
