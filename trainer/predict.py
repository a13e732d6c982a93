"""Classifies images with an exported model or an off-the-shelf ImageNet classifier.

    python -m trainer.predict --model runs/flowers/serving/1763884800 daisy.jpg more_images/
    python -m trainer.predict --model vit_b16_classification --top 5 cat.jpg dog.jpg
    python -m trainer.predict --model runs/flowers/serving/1763884800 images/ --output answers.csv

An IMAGE is a file, or a folder with images at any depth, also in a bucket (gs://…). Images are
preprocessed as in the pipeline: they are rotated according to their EXIF data, put on a white
background if they are transparent, resized, and scaled to [-1, 1].

Without --output, the command prints a line for each image, with the most probable classes and their
probabilities. With --output, the command runs a Beam pipeline, and writes the predictions to a
table (.csv, .jsonl or .parquet). --beam-arg passes a flag to Beam: for example,
--beam-arg=--runner=FlinkRunner makes Beam run the pipeline on Flink. If a command with --output was
interrupted, run the same command again to classify the remaining images. The table has a row for
each image; if an image cannot be classified, the row contains the reason. OUTPUT.quarantine.jsonl
lists all images that cannot be classified, with the reasons.

Exit status: 0 if all images were classified; 1 if some images could not be classified (stderr names
them, or, with --output, the first of them, with the reason); 2 if an option is wrong or there is no
such classifier.
"""

import argparse
import itertools
import signal
import sys
import time
from collections.abc import Sequence
from os.path import expanduser
from typing import TYPE_CHECKING

import rich.console

from backbones.download.progress import show_downloads
from backbones.reference import parse_model
from backbones.resolve import cache_dir, check_model, resolve
from common.command_line import BAD_USAGE, Parser, positive, silence_stderr
from common.errors import InputError
from common.pace import PaceMeter
from common.progress_display import ProgressDisplay, describe_images
from common.text import escape_controls
from trainer.prediction.files import find_files
from trainer.prediction.tables import check_output
from trainer.serving.imagenet import NAMES

if TYPE_CHECKING:
    from trainer.prediction.answers import Answer
    from trainer.serving.classifier import Classifier


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        if options.output:
            check_output(options.output)
        elif options.beam_arg:
            parser.error("--beam-arg has no effect without --output")
        directory, classifier = load_classifier(parser, options)
        return _classify(parser, options, directory, classifier)
    except InputError as error:
        parser.complain(error)
        return BAD_USAGE


def _classify(
    parser: Parser, options: argparse.Namespace, directory: str, classifier: "Classifier"
) -> int:
    if find_class_names(classifier) is None:
        parser.complain(
            f"{options.model} has {classifier.classes} outputs, not ImageNet's {len(NAMES)}: "
            "indices are given instead of class names (the outputs of a feature extractor are "
            "not classes)"
        )
    if options.output:
        return write_answers(parser, options, directory, classifier)
    return print_answers(parser, options, classifier)


def find_class_names(classifier: "Classifier") -> Sequence[str] | None:
    """Returns the names of the classifier's classes, or None if they are not known.

    A model with 1,000 classes, but without class names, gets the class names of ImageNet.
    """
    return classifier.names or (NAMES if classifier.classes == len(NAMES) else None)


def print_answers(parser: Parser, options: argparse.Namespace, classifier: "Classifier") -> int:
    """Prints a line for each image; returns the exit status."""
    from trainer.prediction.answers import answer_batch, read_image
    from trainer.serving.classifier import map_ahead

    files = find_files(options.images)
    width = max(len(escape_controls(file)) for file in files)
    names = find_class_names(classifier)
    failed = False
    ahead = 2 * options.batch_size
    images = map_ahead(lambda numbered: read_image(*numbered), enumerate(files), ahead)
    while batch := list(itertools.islice(images, options.batch_size)):
        for answer in answer_batch(classifier, batch, options.top):
            if answer.error:
                parser.complain(f"{answer.name}: {answer.error}")
                failed = True
            else:
                print(describe(answer, width, names))
    return int(failed)


def describe(answer: "Answer", width: int, names: Sequence[str] | None) -> str:
    """Returns the line for one image: its name, most probable classes and probabilities.

    The name of the image is padded to `width` characters.
    """
    classes = "  ".join(
        f"{100 * probability:6.2f} %  {escape_controls(names[index]) if names else index}"
        for index, probability in zip(answer.classes, answer.probabilities, strict=True)
    )
    doubt = "" if answer.is_accepted else "  (not accepted)"
    return f"{escape_controls(answer.name):{width}}  {classes}{doubt}"


def write_answers(
    parser: Parser, options: argparse.Namespace, directory: str, classifier: "Classifier"
) -> int:
    """Writes the table `options.output`; returns the exit status."""
    from trainer.prediction.bulk import BulkJob, run_bulk

    job = BulkJob(
        model=directory,
        names=find_class_names(classifier),
        files=find_files(options.images),
        output=options.output,
        top=options.top,
        batch_size=options.batch_size,
    )
    classifier.close()  # frees memory: each Beam worker loads its own copy of the model
    total = len(job.files)
    meter = PaceMeter(total)
    screen = rich.console.Console(stderr=True)
    display = ProgressDisplay(screen, lambda line: print(line, file=sys.stderr))

    def show(done: int, _: int) -> None:
        pace = meter.add(time.monotonic(), done)
        display.show(done, total, describe_images(done, total, pace))

    with display.bars:
        display.begin("images")
        bad = run_bulk(job, options.beam_arg, show)
    print(f"{options.output}: {len(job.files)} images, {len(bad)} of them without an answer")
    if bad:
        name, reason = bad[0]
        parser.complain(f"{name}: {reason}" + _describe_other_failures(len(bad) - 1, job.output))
    return int(bool(bad))


def _describe_other_failures(count: int, output: str) -> str:
    return f"; {count} more are in {output}.quarantine.jsonl" if count else ""


def load_classifier(parser: Parser, options: argparse.Namespace) -> tuple[str, "Classifier"]:
    """Loads the classifier that the command-line options name.

    Returns:
      The directory of the classifier, and the classifier.

    Raises:
      InputError: there is no such classifier, or it needs --trust-model. Most of these errors are
        raised before TensorFlow is imported, which takes seconds.
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
        return str(directory), Classifier(directory)


def add_classifier_arguments(parser: Parser, *, batch_size: int) -> None:
    """Adds --model, --trust-model, --weights and --batch-size."""
    parser.add_argument(
        "--model",
        required=True,
        type=expanduser,
        help="a classifier: catalogue name (pipeline_runner.py --list-models), directory of a "
        "SavedModel or of an exported model, URL or AugReg .npz; a SavedModel that accesses files, "
        "the network or Python also needs --trust-model",
    )
    parser.add_argument(
        "--trust-model",
        action="store_true",
        help="accept a SavedModel that accesses files, the network or Python; it runs with "
        "your permissions",
    )
    parser.add_argument(
        "--weights",
        choices=("pretrained", "random"),
        default="pretrained",
        help="use pretrained or random weights (default: pretrained)",
    )
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=batch_size,
        metavar="N",
        help=f"number of images in a batch (default: {batch_size})",
    )


def make_parser() -> Parser:
    """Makes the parser of the command-line arguments."""
    parser = Parser(prog="python -m trainer.predict", description=__doc__.splitlines()[0])
    add_classifier_arguments(parser, batch_size=32)
    parser.add_argument(
        "--top",
        type=positive,
        default=1,
        metavar="N",
        help="number of classes to print for each image, the most probable first (default: 1)",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="write a table (.csv, .jsonl or .parquet), on this machine or in a bucket",
    )
    parser.add_argument(
        "--beam-arg",
        action="append",
        default=[],
        metavar="FLAG",
        help="a flag for Beam, such as --beam-arg=--runner=FlinkRunner; may be repeated",
    )
    parser.add_argument(
        "images",
        nargs="+",
        type=expanduser,
        metavar="IMAGE",
        help="a JPEG, PNG, GIF, BMP or WebP file, or a folder of such files, also gs://…",
    )
    return parser


if __name__ == "__main__":
    # With SIGPIPE's default action, the command ends without a traceback if it writes to a pipe
    # whose reader has ended, such as `head`.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
