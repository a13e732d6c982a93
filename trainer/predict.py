"""Classifies images, with an off-the-shelf ImageNet classifier or an exported model.

    python -m trainer.predict --model vit_b16_classification cat.jpg dog.jpg
    python -m trainer.predict --model runs/flowers/serving/1763884800 daisy.jpg

It prints a line for each of the most probable classes of each image: image, probability, index and
name of the class. Images are preprocessed as in the pipeline: resized to the model's size
(bilinear), with values in [-1, 1]; EXIF orientation is not applied.

Exit status: 0 if all images were classified, 1 if some could not be read (stderr gives the
reasons), 2 for a wrong command line, or if there is no such classifier.
"""

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from os.path import expanduser
from pathlib import Path
from typing import TYPE_CHECKING

import rich.console

from backbones.download.progress import show_downloads
from backbones.reference import parse_model
from backbones.resolve import cache_dir, check_model, resolve
from common.command_line import BAD_USAGE, Parser, positive, silence_stderr
from common.errors import InputError
from common.text import escape_controls
from trainer.serving.imagenet import NAMES
from trainer.serving.labelled_image import LabelledImage

if TYPE_CHECKING:
    from trainer.serving.classifier import Answer, Classifier


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        classifier = load_classifier(parser, options)
    except InputError as error:
        parser.complain(error)
        return BAD_USAGE
    if find_class_names(classifier) is None:
        parser.complain(
            f"{options.model} has {classifier.classes} outputs, not ImageNet's {len(NAMES)}: "
            "indices are printed, without names (the outputs of a feature extractor are no classes)"
        )
    return classify_files(parser, options, classifier)


def find_class_names(classifier: "Classifier") -> Sequence[str] | None:
    """Returns the classifier's class names, or ImageNet's if it has as many classes, or None."""
    return classifier.names or (NAMES if classifier.classes == len(NAMES) else None)


def classify_files(parser: Parser, options: argparse.Namespace, classifier: "Classifier") -> int:
    """Classifies `options.images` and prints the results; returns the exit status."""
    from trainer.serving.classifier import classify

    images = [LabelledImage(name, Path(name)) for name in options.images]
    width = max(len(escape_controls(image.name)) for image in images)
    names = find_class_names(classifier)
    failed = False
    for answer in classify(classifier, images, batch_size=options.batch_size):
        if answer.error:
            parser.complain(f"{answer.image.name}: {answer.error}")
            failed = True
        else:
            print("\n".join(describe(answer, options.top, width, names)))
    return int(failed)


def describe(answer: "Answer", top: int, width: int, names: Sequence[str] | None) -> Iterator[str]:
    """Yields a line for each of the `top` most probable classes; the name is `width` wide."""
    from trainer.serving.classifier import likeliest

    probabilities = answer.probabilities
    assert probabilities is not None, "an answer without an error has them"
    digits = len(str(len(probabilities) - 1))
    for index in likeliest(probabilities, top):
        name = f"  {escape_controls(names[index])}" if names else ""
        percent = f"{100 * probabilities[index]:6.2f} %"
        shown = escape_controls(answer.image.name)
        yield f"{shown:{width}}  {percent}  {index:>{digits}}{name}"


def load_classifier(parser: Parser, options: argparse.Namespace) -> "Classifier":
    """Loads the classifier that the options of `add_classifier_arguments` name.

    Raises:
      InputError: there is no such classifier. TensorFlow is imported only if that is necessary to
        find out.
    """
    check_model(options.model, options.weights, task="classification")
    if parse_model(options.model).is_untrained(options.weights):
        parser.complain("the model is UNTRAINED: its weights are random")
    with silence_stderr() as screen, show_downloads(rich.console.Console(file=screen)):
        directory = resolve(
            options.model,
            weights=options.weights,
            cache=cache_dir(),
            task="classification",
            trusted=options.trust_model,
        )
        from backbones.program import check_operations
        from trainer.serving.classifier import Classifier

        if not options.trust_model:
            check_operations(directory)
        return Classifier(directory)


def add_classifier_arguments(parser: Parser, *, batch_size: int) -> None:
    """Adds --model, --trust-model, --weights and --batch-size."""
    parser.add_argument(
        "--model",
        required=True,
        type=expanduser,
        help="a classifier: catalogue name (pipeline_runner.py --list-models), directory of a "
        "SavedModel or of an exported model, URL or AugReg .npz; a SavedModel is a program, "
        "which must do no more than compute",
    )
    parser.add_argument(
        "--trust-model",
        action="store_true",
        help="accept a SavedModel whose program reaches files, the network or Python; it runs with "
        "your rights",
    )
    parser.add_argument(
        "--weights",
        choices=("pretrained", "random"),
        default="pretrained",
        help="use pretrained weights, or random ones (default: pretrained)",
    )
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=batch_size,
        metavar="N",
        help=f"number of images in a batch (default: {batch_size})",
    )


def make_parser() -> Parser:
    """Makes the parser of the command line."""
    parser = Parser(prog="python -m trainer.predict", description=__doc__.splitlines()[0])
    add_classifier_arguments(parser, batch_size=32)
    parser.add_argument(
        "--top",
        type=positive,
        default=5,
        metavar="N",
        help="number of classes to print for each image (default: 5)",
    )
    parser.add_argument(
        "images", nargs="+", type=expanduser, metavar="IMAGE", help="JPEG, PNG, GIF or BMP file"
    )
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # so that `… | head` ends it quietly
    sys.exit(main())
