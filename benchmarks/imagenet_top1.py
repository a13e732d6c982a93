"""Measures the top-1 and top-5 accuracy of a classifier on ImageNet; prints the published top-1.

    python benchmarks/imagenet_top1.py --model vit_b16_classification --data-dir ~/tfds

`--data-dir` is a TFDS data directory with a prepared `imagenet2012`, or a folder with one folder of
images for each class. From TFDS, the benchmark reads the `validation` split. The name of a class
folder is a WordNet id, a class name or an index.

Public code preprocesses the images in two ways, which result in different pixels:

- `--resize direct`, the default: the whole image is resized to the model's size, with bilinear
  interpolation, and scaled to [-1, 1], as in google-research/vision_transformer
  (vit_jax/input_pipeline.py), in the evaluation notebook of the TF-Hub collection
  (sayakpaul/ViT-jax2tf, i1k_eval), and in this project's pipeline.
- `--resize crop`: the shorter side is resized to 8/7 of the model's size (256 pixels if the model's
  size is 224), and the central square is cut out, as in the code with which
  google-research/big_vision fine-tunes AugReg models (configs/transfer.py).

The published figures are from the README of the TF-Hub collection. They seem to be the column
`adapt_final_test` of AugReg's index of checkpoints, from which the models of the collection were
chosen. We know no source that states with which preprocessing the published figures were measured.

Exit status: 0 if all images were measured, 1 if some images could not be read (stderr names them),
2 if the command line is wrong, if the model or the data were not found, or if no image could be
read.
"""

import argparse
import dataclasses
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))

from backbones.catalogue import MODELS
from benchmarks.imagenet_data import Data, read_data
from common.command_line import BAD_USAGE, Parser, positive, silence_stderr
from common.errors import InputError
from common.interval import wilson_interval
from trainer.predict import add_classifier_arguments, load_classifier
from trainer.serving.imagenet import NAMES

if TYPE_CHECKING:
    import tensorflow as tf

    from benchmarks.imagenet_answers import ToPixels
    from trainer.serving.classifier import Classifier


@dataclasses.dataclass
class Score:
    """The counts and the duration of a measurement.

    Attributes:
      images: the number of classified images.
      top1: the number of images whose class got the highest probability.
      top5: the number of images whose class is among the five with the highest probabilities.
      unreadable: the number of images that could not be read.
      seconds: the time of reading, decoding and classifying.
    """

    images: int = 0
    top1: int = 0
    top5: int = 0
    unreadable: int = 0
    seconds: float = 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        with silence_stderr():
            data = read_data(options.data_dir, options.limit)
        _, classifier = load_classifier(parser, options)
        if classifier.classes != len(NAMES):
            raise InputError(
                f"--model {options.model}: has {classifier.classes} outputs; expected a "
                f"classifier of ImageNet's {len(NAMES)} classes"
            )
    except InputError as error:
        parser.complain(error)
        return BAD_USAGE
    score = measure(parser, classifier, data, options)
    if not score.images:
        parser.complain(f"{options.data_dir}: none of its images could be read")
        return BAD_USAGE
    print("\n".join(report(options, data, classifier, score)))
    return int(score.unreadable > 0)


def measure(
    parser: Parser, classifier: "Classifier", data: Data, options: argparse.Namespace
) -> Score:
    """Classifies all images, and reports unreadable images on stderr."""
    import numpy as np

    from benchmarks.imagenet_answers import classify
    from trainer.serving.classifier import likeliest

    size = (options.batch_size, classifier.height, classifier.width, 3)
    classifier(np.zeros(size, np.float32))  # warm up before the clock starts
    score = Score()
    started = time.perf_counter()
    answers = classify(
        classifier, data.images, batch_size=options.batch_size, to_pixels=to_pixels(options)
    )
    for answer in answers:
        if answer.error:
            parser.complain(f"{answer.image.name}: {answer.error}")
            score.unreadable += 1
            continue
        best = list(likeliest(answer.probabilities, 5))
        score.images += 1
        score.top1 += answer.image.label == best[0]
        score.top5 += answer.image.label in best
        if score.images % options.batch_size == 0:
            print_progress(score.images, data.count)
    print_progress(score.images, data.count, end="\n")
    score.seconds = time.perf_counter() - started
    return score


def print_progress(done: int, count: int, end: str = "") -> None:
    """Prints the number of classified images if stderr is a terminal."""
    if sys.stderr.isatty():
        print(f"\r{done:,} of {count:,} images", end=end, file=sys.stderr, flush=True)


def report(
    options: argparse.Namespace, data: Data, classifier: "Classifier", score: Score
) -> Iterator[str]:
    """Yields the lines in which the benchmark prints its result."""
    resize = {"direct": "the whole image", "crop": "the central square"}[options.resize]
    published = published_top1(options)
    yield f"model   {options.model}, {options.weights} weights"
    yield f"data    {data.about}"
    yield f"images  {score.images:,}, {score.unreadable:,} more could not be read"
    yield f"resize  {options.resize}: {resize}, to {classifier.height} x {classifier.width}"
    yield f"top-1   {accuracy(score.top1, score.images)}, published {published}"
    yield f"top-5   {accuracy(score.top5, score.images)}"
    yield f"speed   {score.images / score.seconds:.1f} images/s, batch {options.batch_size}"


def accuracy(hits: int, images: int) -> str:
    """Returns an accuracy in percent, with its confidence interval, as text."""
    low, high = wilson_interval(hits, images)
    return f"{hits / images:.3%} (95 % confidence interval {low:.3%} to {high:.3%})"


def published_top1(options: argparse.Namespace) -> str:
    """Returns the published accuracy of the chosen model as text; "-" if there is none."""
    entry = MODELS.get(options.model)
    if entry is None or entry.variant.top1 is None or options.weights == "random":
        return "-"
    return f"{entry.variant.top1:.3f}%"


def to_pixels(options: argparse.Namespace) -> "ToPixels":
    """Returns the preprocessing function for the value of `--resize`."""
    from trainer.serving.classifier import preprocess_image

    return {"direct": preprocess_image, "crop": central_square}[options.resize]


def central_square(encoded: "tf.Tensor", height: int, width: int) -> "tf.Tensor":
    """Resizes an image and cuts out its centre, as big_vision does.

    For 224 pixels, the function agrees with
    `decode|resize_small(256)|central_crop(224)|value_range(-1, 1)`.

    Args:
      encoded: an encoded image, string [].
      height: the height of the crop. Before the crop, the image is resized to at least 8/7 of
        `height` and at least 8/7 of `width`, with its aspect ratio unchanged.
      width: the width of the crop.

    Returns:
      float32 [height, width, 3] in [-1, 1].
    """
    import tensorflow as tf

    from trainer.preprocessing import decode, value_range

    image = decode(encoded)
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    scale = tf.reduce_max(tf.constant([height * 8 / 7, width * 8 / 7]) / size)
    resized = tf.image.resize(image, tf.cast(tf.round(size * scale), tf.int32), method="area")
    resized = tf.floor(resized)  # big_vision converts to uint8 at this point, which rounds down
    top, left = [(tf.shape(resized)[axis] - side) // 2 for axis, side in ((0, height), (1, width))]
    return value_range(tf.image.crop_to_bounding_box(resized, top, left, height, width))


def make_parser() -> Parser:
    """Makes the parser of the command line."""
    parser = Parser(
        prog="benchmarks/imagenet_top1.py",
        description=__doc__.split("\n\n", 1)[0],
        epilog=__doc__.split("\n\n", 2)[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_classifier_arguments(parser, batch_size=64)
    parser.add_argument(
        "--data-dir", required=True, metavar="DIR", help="TFDS data directory, or class folders"
    )
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="measure on a sample of N images"
    )
    parser.add_argument(
        "--resize", choices=("direct", "crop"), default="direct", help="see below (default: direct)"
    )
    return parser


if __name__ == "__main__":
    # With the default handler of SIGPIPE, the program ends without a traceback if the reader of its
    # output closes the pipe, as in `… | head`.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
