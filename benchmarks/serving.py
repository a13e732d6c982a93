"""Measures the speed of an exported model, relative to the same model with a simple decoder.

    python benchmarks/serving.py [--model vit_s16_fe] [--images FOLDER] [--batch-sizes 1 8 32]
                                 [--rounds 15]

The benchmark exports a model with random weights as Trainer does, and runs it in a Session as
TensorFlow Serving does. Besides `serving_default`, the SavedModel gets a second signature, `bare`,
which decodes images with `tf.io.decode_image` in `tf.map_fn` and runs the same backbone and head.
`bare` ignores EXIF, has no size limits, and fails if one image cannot be decoded. The benchmark
calls `serving_default` and `bare` alternately. For each batch size, the benchmark prints the
images/s of both signatures and the latencies of `serving_default`. The printed ratio is the median,
over all rounds, of the speed of `serving_default` divided by the speed of `bare`. The benchmark
also prints the sizes of the model and of its backbone.

The images are the JPEGs in FOLDER, or noise of 500 x 375 pixels.
"""

import functools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from backbones.catalogue import MODELS
from common.command_line import Parser, positive

CLASSES = ["daisy", "dandelion", "roses", "sunflowers", "tulips"]
BARE = "bare"


def read_images(folder: str | None, count: int) -> list[bytes]:
    """Returns `count` JPEGs from `folder`; if `folder` is None, copies of one generated JPEG."""
    import tensorflow as tf

    if folder:
        files = sorted(Path(folder).rglob("*.jpg"))[:count]
        images = [file.read_bytes() for file in files]
        return [images[index % len(images)] for index in range(count)]
    noise = tf.random.stateless_uniform([24, 32, 3], [0, 0], 0, 255)
    image = tf.cast(tf.image.resize(noise, [375, 500], "bicubic", antialias=True), tf.uint8)
    return [tf.io.encode_jpeg(image, quality=90).numpy()] * count


def export_model(backbone: str, directory: str) -> None:
    """Exports a model with a random head and with the additional signature `bare`."""
    import keras
    import tensorflow as tf

    from backbones.contract import load_backbone, read_shapes
    from trainer.decoding.limits import Limits
    from trainer.model.classifier import make_classifier
    from trainer.preprocessing import resize, value_range
    from trainer.serving import export
    from trainer.serving.calibration import Calibration

    shapes = read_shapes(backbone)
    keras.utils.set_random_seed(0)
    model = make_classifier(load_backbone(backbone), shapes, len(CLASSES))
    layer, head = model.get_layer("backbone"), model.get_layer("head")
    head.set_weights([np.random.normal(size=v.shape) for v in head.get_weights()])
    classifier = export.ServedClassifier(
        to_features=layer,
        head=head,
        backbone=layer.backbone,
        classes=CLASSES,
        image_shape=(shapes.height, shapes.width),
        limits=Limits(max_side=1024, max_pixels=10**8),
        calibration=Calibration(),
    )

    def decode(encoded: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
        return value_range(resize(image, shapes.height, shapes.width))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def bare(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels = tf.map_fn(decode, image_bytes, fn_output_signature=tf.float32)
        pixels = tf.ensure_shape(pixels, [None, shapes.height, shapes.width, 3])
        return {"probabilities": tf.nn.softmax(head(layer(pixels)))}

    classifier.save(directory, more_signatures={BARE: bare})


def directory_size(directory: str) -> float:
    """Returns the size of all files below a directory, in MB."""
    return sum(file.stat().st_size for file in Path(directory).rglob("*") if file.is_file()) / 1e6


def take_turns(functions: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    """Calls the functions alternately; returns a list of times in seconds for each function."""
    for function in functions * 3:
        function()
    seconds: list[list[float]] = [[] for _ in functions]
    for turn in range(rounds):
        for index in range(len(functions))[:: 1 if turn % 2 else -1]:
            started = time.perf_counter()
            functions[index]()
            seconds[index].append(time.perf_counter() - started)
    return seconds


def main(given: list[str] | None = None) -> None:
    parser = Parser(prog="benchmarks/serving.py", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="vit_s16_fe")
    parser.add_argument("--images", metavar="FOLDER", help="JPEGs, in folders of any depth")
    parser.add_argument("--batch-sizes", type=positive, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rounds", type=positive, default=15)
    arguments = parser.parse_args(given)
    if arguments.model not in MODELS:
        parser.error(f"--model {arguments.model}: expected a catalogue name (--list-models)")

    from backbones.augreg.convert import convert
    from backbones.augreg.initialization import random_arrays
    from common.signatures import FROM_BYTES
    from trainer.serving.session_model import SessionModel

    images = read_images(arguments.images, max(arguments.batch_sizes))
    with tempfile.TemporaryDirectory() as folder:
        backbone, exported = f"{folder}/backbone", f"{folder}/exported"
        convert(random_arrays(MODELS[arguments.model].architecture, seed=0), backbone)
        export_model(backbone, exported)
        sizes = directory_size(exported), directory_size(backbone)
        model = SessionModel(exported)
        print(f"{arguments.model}: {sizes[0]:.1f} MB, of which {sizes[1]:.1f} MB are the backbone")
        for batch in arguments.batch_sizes:
            inputs = {"image_bytes": np.array(images[:batch], object)}
            calls = [functools.partial(model, name, inputs) for name in (FROM_BYTES, BARE)]
            served, bare = take_turns(calls, arguments.rounds * max(1, 16 // batch))
            ratio = statistics.median(b / s for s, b in zip(served, bare, strict=True))
            rates = [batch / statistics.median(seconds) for seconds in (served, bare)]
            p50, p99 = np.percentile(served, [50, 99]) * 1e3
            print(
                f"batch {batch}: {rates[0]:.1f} images/s, bare {rates[1]:.1f}, ratio {ratio:.3f}; "
                f"latency p50 {p50:.1f} ms, p99 {p99:.1f} ms"
            )


if __name__ == "__main__":
    main()
