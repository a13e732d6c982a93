"""Converts an AugReg checkpoint into a SavedModel.

python -m backbones.augreg --checkpoint B_16.npz --output models/vit_b16_fe
"""

import sys
from collections.abc import Sequence
from os.path import expanduser
from typing import get_args

from backbones.augreg.architecture import Precision, Task
from backbones.augreg.checkpoint import load_checkpoint
from backbones.augreg.convert import convert
from common.command_line import Parser, silence_stderr
from common.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Returns:
      The exit status: 0 if the SavedModel was written; 1 if not, with the reason on stderr.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        with silence_stderr():
            architecture = convert(
                load_checkpoint(options.checkpoint),
                options.output,
                task=options.task,
                image_size=options.image_size,
                precision=options.precision,
            )
    except (InputError, OSError) as error:
        parser.complain(error)
        return 1
    classes = architecture.classes
    outputs = f"{classes} logits" if classes else f"{architecture.feature_width} features"
    print(
        f"{options.output}: {architecture.parameter_count:,} parameters, "
        f"{architecture.image_size} px, {outputs}"
    )
    return 0


def _parser() -> Parser:
    parser = Parser(prog="python -m backbones.augreg", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--checkpoint",
        required=True,
        type=expanduser,
        metavar="X.npz",
        help="checkpoint to convert",
    )
    parser.add_argument(
        "--output", required=True, type=expanduser, metavar="DIR", help="new directory to write"
    )
    parser.add_argument(
        "--task",
        choices=get_args(Task),
        default="fe",
        help="write a feature extractor (fe), or a classifier with its head (default: fe)",
    )
    parser.add_argument(
        "--image-size",
        type=int,
        metavar="N",
        help="height and width of the images in pixels (default: the size in training)",
    )
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        default="float32",
        help="precision of matrix products; the mixed types have 16 bits (default: float32)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
