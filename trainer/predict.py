"""Names what is on images, by an off-the-shelf ImageNet classifier or an exported model.

    python -m trainer.predict --model vit_b16_classification cat.jpg dog.jpg
    python -m trainer.predict --model runs/flowers/serving/1763884800 daisy.jpg

For each image, one line for each of its likeliest classes: image, probability, index of the
class and its name. Preprocessing is the pipeline's own: plain bilinear resize to the model's size,
values in [-1, 1]; EXIF orientation is not applied.

Exit status: 0 all images are classified, 1 some could not be read (stderr says which and why),
2 bad usage, or no such classifier.
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
            f"{options.model} has {classifier.classes} outputs, not ImageNet's {len(NAMES)}: they "
            "are printed as indices, without names (of a feature extractor, they mean nothing)"
        )
    return classify_files(parser, options, classifier)


def find_class_names(classifier: "Classifier") -> Sequence[str] | None:
    """The names of the classes: its own, or ImageNet's where it has as many; None of others."""
    return classifier.names or (NAMES if classifier.classes == len(NAMES) else None)


def classify_files(parser: Parser, options: argparse.Namespace, classifier: "Classifier") -> int:
    """Prints what the classifier says of `options.images`; returns the exit status."""
    from trainer.serving.classifier import classify

    images = [LabelledImage(name, Path(name)) for name in options.images]
    width = max(len(image.name) for image in images)
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
    """A line for each of the `top` likeliest classes, with the image's name `width` wide."""
    from trainer.serving.classifier import likeliest

    probabilities = answer.probabilities
    assert probabilities is not None, "an answer without an error has them"
    digits = len(str(len(probabilities) - 1))
    for index in likeliest(probabilities, top):
        name = f"  {names[index]}" if names else ""
        percent = f"{100 * probabilities[index]:6.2f} %"
        yield f"{answer.image.name:{width}}  {percent}  {index:>{digits}}{name}"


def load_classifier(parser: Parser, options: argparse.Namespace) -> "Classifier":
    """The classifier that the options of `add_classifier_arguments` name.

    Raises:
      InputError: there is none; where that can be seen without TensorFlow, it is not imported.
    """
    check_model(options.model, options.weights, task="classification")
    if parse_model(options.model).is_untrained(options.weights):
        parser.complain("the model is UNTRAINED: its weights are random")
    with silence_stderr() as screen, show_downloads(rich.console.Console(file=screen)):
        directory = resolve(
            options.model, weights=options.weights, cache=cache_dir(), task="classification"
        )
        from trainer.serving.classifier import Classifier

        return Classifier(directory)


def add_classifier_arguments(parser: Parser, *, batch_size: int) -> None:
    """Adds --model, --weights and --batch-size."""
    parser.add_argument(
        "--model",
        required=True,
        type=expanduser,
        help="a classifier: catalogue name (pipeline_runner.py --list-models), directory of a "
        "SavedModel or of an exported model, URL or AugReg .npz",
    )
    parser.add_argument(
        "--weights",
        choices=("pretrained", "random"),
        default="pretrained",
        help="random makes the named architecture, untrained (default: pretrained)",
    )
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=batch_size,
        metavar="N",
        help=f"images that the model is given at once (default: {batch_size})",
    )


def make_parser() -> Parser:
    """The parser of the command line."""
    parser = Parser(prog="python -m trainer.predict", description=__doc__.splitlines()[0])
    add_classifier_arguments(parser, batch_size=32)
    parser.add_argument(
        "--top",
        type=positive,
        default=5,
        metavar="N",
        help="how many classes to print for each image (default: 5)",
    )
    parser.add_argument(
        "images", nargs="+", type=expanduser, metavar="IMAGE", help="JPEG, PNG, GIF or BMP file"
    )
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # so that `… | head` ends it quietly
    sys.exit(main())
