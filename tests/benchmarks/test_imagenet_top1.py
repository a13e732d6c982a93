"""Tests of benchmarks/imagenet_top1.py, with a model that derives the class from the colour."""

import shutil
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from benchmarks.imagenet_data import read_data
from benchmarks.imagenet_top1 import central_square, main
from common.errors import InputError
from tests.conftest import encode
from tests.reusable_module import ReusableModule
from trainer.serving.classifier import preprocess_image
from trainer.serving.imagenet import NAMES, WORDNET_IDS


class ColourReader(ReusableModule):
    """A classifier that predicts class 4 r + g for an image of the colour (r, g, 0).

    The logit of class k is -|k - (4 r + g)|.
    """

    def __init__(self, classes=1000):
        super().__init__()
        self.classes = classes

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 3]), tf.TensorSpec([], tf.bool)])
    def __call__(self, images, training=False):
        colours = tf.round((tf.reduce_mean(images, [1, 2]) + 1) * 127.5)
        answers = 4 * colours[:, :1] + colours[:, 1:2]
        return -tf.abs(tf.range(self.classes, dtype=tf.float32) - answers)


def make_image(answer, height=12, width=20):
    """Makes an image for which `ColourReader` predicts the class `answer`."""
    colour = np.array([answer // 4, answer % 4, 0], np.uint8)
    return PIL.Image.fromarray(np.broadcast_to(colour, [height, width, 3]).copy())


# For each image, its class and the model's prediction. Five of the eight predictions are right. For
# two of the three wrong predictions, the right class is among the five most probable classes.
ANSWERS = [(0, 0), (0, 1), (7, 7), (7, 7), (281, 281), (281, 279), (999, 999), (999, 990)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    directory = tmp_path_factory.mktemp("model") / "colours"
    tf.saved_model.save(ColourReader(), str(directory))
    return str(directory)


def folder(root, names):
    """Writes the images into class folders; `names` maps a class to the name of its folder."""
    for number, (label, answer) in enumerate(ANSWERS):
        (root / names(label)).mkdir(parents=True, exist_ok=True)
        make_image(answer).save(root / names(label) / f"{number}.png")
    return str(root)


@pytest.fixture(scope="module")
def tfds_dir(tmp_path_factory):
    """Returns a TFDS data directory with eight images in place of imagenet2012."""
    data_dir = tmp_path_factory.mktemp("tfds")
    version_dir = data_dir / "imagenet2012" / "5.1.0"
    version_dir.mkdir(parents=True)
    features = tfds.features.FeaturesDict(
        {
            "file_name": tfds.features.Text(),
            "image": tfds.features.Image(encoding_format="png"),
            "label": tfds.features.ClassLabel(names=WORDNET_IDS),
        }
    )
    records = [
        features.serialize_example(
            {"file_name": "a.JPEG", "image": np.asarray(make_image(answer)), "label": label}
        )
        for label, answer in ANSWERS
    ]
    file = version_dir / "imagenet2012-validation.tfrecord-00000-of-00001"
    with tf.io.TFRecordWriter(str(file)) as writer:
        for record in records:
            writer.write(record)
    validation = tfds.core.SplitInfo(
        name="validation",
        shard_lengths=[len(records)],
        num_bytes=sum(map(len, records)),
        filename_template=tfds.core.ShardedFileTemplate(
            version_dir, "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}", "imagenet2012"
        ),
    )
    tfds.folder_dataset.write_metadata(
        data_dir=version_dir, features=features, split_infos=[validation], version="5.1.0"
    )
    return str(data_dir)


def run(capsys, *arguments):
    """Runs the benchmark.

    Returns:
      The exit status; the printed lines, as a dict from the first word to the rest of the line; and
      the text on stderr.
    """
    status = main(list(map(str, arguments)))
    out, err = capsys.readouterr()
    return status, dict(line.split(maxsplit=1) for line in out.splitlines()), err


@pytest.mark.parametrize(
    ("names", "batch_size"),
    [
        (WORDNET_IDS.__getitem__, 3),
        (lambda label: NAMES[label].replace(" ", "_"), 64),
        (str, 3),
    ],
    ids=["WordNet ids", "names", "indices"],
)
def test_class_folders(model, capsys, tmp_path, names, batch_size):
    data = folder(tmp_path, names)
    status, lines, err = run(
        capsys, "--model", model, "--data-dir", data, "--batch-size", batch_size
    )
    assert (status, err) == (0, "")
    assert lines["images"] == "8, 0 more could not be read"
    assert lines["top-1"].startswith("62.500% (")
    assert lines["top-1"].endswith("), published -")
    assert lines["top-5"].startswith("87.500% (")
    assert lines["resize"] == "direct: the whole image, to 8 x 8"


def test_tfds(model, capsys, tfds_dir):
    status, lines, _ = run(capsys, "--model", model, "--data-dir", tfds_dir)
    assert status == 0
    assert lines["data"] == f"{tfds_dir}, TFDS imagenet2012/5.1.0, validation"
    assert lines["images"] == "8, 0 more could not be read"
    assert lines["top-1"].startswith("62.500% (")
    assert lines["top-5"].startswith("87.500% (")


def test_the_published_accuracy_is_printed(model, capsys, tmp_path, monkeypatch):
    """The catalogue has the published accuracy of the model vit_b16_classification."""
    monkeypatch.setenv("VIT_HOME", str(tmp_path / "home"))
    shutil.copytree(model, tmp_path / "home" / "models" / "vit_b16_classification")
    data = folder(tmp_path / "data", str)
    _, lines, _ = run(capsys, "--model", "vit_b16_classification", "--data-dir", data)
    assert lines["top-1"].endswith("), published 84.018%")


def test_a_limit_takes_the_same_images_each_time(tfds_dir, tmp_path):
    for directory in (tfds_dir, folder(tmp_path, str)):
        chosen = [list(read_data(directory, limit).images) for limit in (3, 3, 100)]
        assert [len(images) for images in chosen] == [3, 3, 8]
        assert chosen[0] == chosen[1]
        assert read_data(directory, 3).count == 3
        assert {image.label for image in chosen[2]} == {0, 7, 281, 999}


def test_a_limited_measurement(model, capsys, tmp_path):
    data = folder(tmp_path, str)
    _, lines, _ = run(capsys, "--model", model, "--data-dir", data, "--limit", 2)
    assert lines["images"] == "2, 0 more could not be read"


def test_the_crop_leaves_out_the_edges(model, capsys, tmp_path):
    for label in (5, 6):
        image = make_image(label, 16, 80)
        image.paste((255, 0, 0), (0, 0, 31, 16))
        image.paste((255, 0, 0), (49, 0, 80, 16))
        (tmp_path / str(label)).mkdir()
        image.save(tmp_path / str(label) / "0.png")
    for resize, expected in (("crop", "100.000%"), ("direct", "0.000%")):
        _, lines, _ = run(capsys, "--model", model, "--data-dir", tmp_path, "--resize", resize)
        assert lines["top-1"].startswith(f"{expected} (")
        assert lines["resize"].startswith(f"{resize}: ")


@pytest.mark.parametrize(("height", "width"), [(128, 256), (256, 128), (128, 128)])
def test_the_crop_is_the_central_square(height, width):
    """A crop of 112 needs a shorter side of 8/7 x 112 = 128 pixels, which every image already
    has."""
    image = np.random.default_rng(0).integers(0, 256, [height, width, 3], np.uint8)
    crop = central_square(tf.constant(encode(PIL.Image.fromarray(image), "PNG")), 112, 112)
    top, left = (height - 112) // 2, (width - 112) // 2
    expected = image[top : top + 112, left : left + 112] / 127.5 - 1
    np.testing.assert_allclose(crop, expected, atol=1e-6)


@pytest.mark.parametrize("side", [1, 5, 37, 500])
@pytest.mark.parametrize("function", [central_square, preprocess_image])
def test_pixels_of_images_of_any_size(function, side):
    encoded = tf.constant(encode(make_image(999, side, 61), "PNG"))
    pixels = function(encoded, 48, 48).numpy()
    assert pixels.shape == (48, 48, 3)
    grey_level = 1 / 127.5  # the step between grey levels, to which the crop rounds pixels
    np.testing.assert_allclose(
        pixels[0, 0], np.array([249, 3, 0]) / 127.5 - 1, atol=grey_level * 1.001
    )


def test_images_that_cannot_be_read_are_left_out(model, capsys, tmp_path):
    data = folder(tmp_path, str)
    (tmp_path / "7" / "rubbish.png").write_bytes(b"rubbish")
    status, lines, err = run(capsys, "--model", model, "--data-dir", data)
    assert status == 1
    assert lines["images"] == "8, 1 more could not be read"
    assert lines["top-1"].startswith("62.500% (")
    assert err.count("\n") == 1
    assert f"{tmp_path}/7/rubbish.png: does not decode" in err


def test_no_readable_image(model, capsys, tmp_path):
    for name in ("7", "8"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").touch()
    status, lines, err = run(capsys, "--model", model, "--data-dir", tmp_path)
    assert (status, lines) == (2, {})
    assert err.endswith("none of its images could be read\n")


def test_a_class_that_imagenet_does_not_have(capsys, tmp_path):
    data = folder(tmp_path, str)
    (tmp_path / "7").rename(tmp_path / "spaceship")
    status, _, err = run(capsys, "--model", "vit_b16_classification", "--data-dir", data)
    assert status == 2
    assert "ImageNet has no class spaceship; expected WordNet ids" in err
    assert err.count("\n") == 1


def test_a_classifier_without_imagenets_classes_is_refused(capsys, tmp_path):
    tf.saved_model.save(ColourReader(classes=7), str(tmp_path / "model"))
    data = folder(tmp_path / "data", str)
    status, _, err = run(capsys, "--model", tmp_path / "model", "--data-dir", data)
    assert status == 2
    assert "has 7 outputs; expected a classifier of ImageNet's 1000 classes" in err


def test_a_dataset_that_is_not_prepared(tmp_path):
    (tmp_path / "imagenet2012").mkdir()
    with pytest.raises(InputError, match="no split validation there; prepare it with `tfds build"):
        read_data(str(tmp_path), None)


def test_a_usage_error_is_reported_without_tensorflow(project, tmp_path):
    """The benchmark reports a missing folder without an import of TensorFlow.

    The benchmark must also work if the working directory is outside the project.
    """
    code = (
        "import runpy, sys; sys.modules['tensorflow'] = None\n"
        "sys.argv[0] = sys.argv.pop(1); runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    script = project / "benchmarks" / "imagenet_top1.py"
    arguments = ["--model", "vit_b16_classification", "--data-dir", "nowhere"]
    process = subprocess.run(
        [sys.executable, "-c", code, script, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert process.stderr == (
        "benchmarks/imagenet_top1.py: nowhere: no such folder; expected a folder of class folders\n"
    )
