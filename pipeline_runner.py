"""The command line.

    python pipeline_runner.py --model vit_b16_fe
    python pipeline_runner.py --model path/or/url/or.npz --dataset path/to/class_folders
    python pipeline_runner.py --config run.yaml --set train.epochs=8

Exit status: 0 pushed (or pushed already), 1 the pipeline failed, 2 bad usage, 3 the gate did not
bless the model, 130 interrupted.
"""

import argparse
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from components.image_example_gen.sources.registry import make_source
from pipeline.config import (
    FLAGS,
    Config,
    Setting,
    build_config,
    options,
    read_assignment,
    read_yaml,
)
from pipeline.console import Console
from pipeline.datasets import DATASETS
from pipeline.logs import logging_to
from pipeline.root import check_serving_dir, claimed, state_directory
from trainer.catalogue import MODELS
from trainer.errors import InputError
from trainer.resolve import cache_dir, is_cached, keeps_its_graph

PUSHED, FAILED, BAD_USAGE, NOT_BLESSED, INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    try:
        arguments = sys.argv[1:] if arguments is None else arguments
        parsed = make_parser().parse_args(list(joined(arguments)))
        if parsed.list_models or parsed.list_datasets:
            print(list_models() if parsed.list_models else list_datasets())
            return PUSHED
        config = build_config(read_settings(parsed))
        make_source(config.source).check()
        check_serving_dir(config.serving_dir)
        directory = state_directory(config)
        with claimed(directory, config):
            return run(config, directory / "logs" / time.strftime("%Y-%m-%dT%H-%M-%S.log"))
    except InputError as error:
        print(f"pipeline_runner.py: {error}", file=sys.stderr)
        return BAD_USAGE
    except OSError as error:  # a disk that is full, a directory that lets nobody in
        print(f"pipeline_runner.py: {describe(error)}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("pipeline_runner.py: interrupted", file=sys.stderr)
        return INTERRUPTED


def run(config: Config, log: Path) -> int:
    """Runs the pipeline that `config` describes, logging to the file `log`."""
    with logging_to(log, verbose=config.run.verbose) as screen:
        console = Console(*screen)
        try:
            console.plan(config, str(log))
            if config.weights == "random":
                console.warn("The model is UNTRAINED: its weights are random (--weights random).")
            if config.train.precision != "float32" and keeps_its_graph(config.model):
                console.warn(
                    "The graph of this SavedModel computes in float32, whatever --precision says."
                )
            with console.live():
                console.busy("loading TensorFlow and TFX")
                from pipeline.downloads import downloads_shown_on
                from pipeline.inputs import resolve_inputs
                from pipeline.runners import local

                console.busy("looking at data and model")
                with downloads_shown_on(console):
                    inputs = resolve_inputs(config)
                report = local.run(config, inputs, console)
        except InputError as error:
            logging.getLogger(__name__).info("The pipeline failed.", exc_info=True)
            console.error(f"pipeline_runner.py: {error}")
            return FAILED
        except Exception as error:
            logging.getLogger(__name__).exception("The pipeline failed.")  # on --verbose also seen
            console.error(f"{describe(error)}\nlog: {log}")
            return FAILED
        console.summary(report)
        return PUSHED if report.blessed else NOT_BLESSED


def describe(error: Exception) -> str:
    """One line on an unforeseen error; of a worker's traceback that Beam hands on, the last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["no message"]
    line = lines[-1] if lines[0].startswith("Traceback") else lines[0]
    return f"{type(error).__name__}: {line}"


def joined(arguments: Sequence[str]) -> Iterator[str]:
    """Makes `--beam-arg --x` one argument, since argparse would take `--x` for a flag of ours."""
    rest = iter(arguments)
    for argument in rest:
        value = next(rest, None) if argument == "--beam-arg" else None
        yield argument if value is None else f"{argument}={value}"


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; --help lists the flags")


def make_parser() -> argparse.ArgumentParser:
    """The parser; its options are those of `FLAGS`, and described by the configuration's fields."""
    parser = Parser(
        prog="pipeline_runner.py",
        description="Fine-tunes a Vision Transformer, gates it and pushes it for serving.",
        epilog="Every option is a key as well; keys without a flag: "
        + ", ".join(sorted({key for key, _, _ in options()} - set(FLAGS.values()))),
        allow_abbrev=False,
    )
    parser.add_argument("--list-models", action="store_true", help="print the catalogue")
    parser.add_argument("--list-datasets", action="store_true", help="print the datasets")
    parser.add_argument("--config", metavar="FILE", help="YAML file of options, by their keys")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="any option by its key"
    )
    fields = {key: (field, hint) for key, field, hint in options()}
    for flag, key in FLAGS.items():
        field, hint = fields[key]
        about = field.metadata["help"]
        if hint is bool:
            parser.add_argument(flag, dest=key, action="store_const", const=True, help=about)
        elif hint == tuple[str, ...]:
            parser.add_argument(flag, dest=key, action="append", metavar="ARG", help=about)
        else:
            metavar = key.rsplit(".", 1)[-1].upper()
            parser.add_argument(flag, dest=key, metavar=metavar, help=about)
    return parser


def read_settings(parsed: argparse.Namespace) -> dict[str, Setting]:
    """What was given: the YAML file, then --set, then flags, the later winning."""
    settings = read_yaml(parsed.config) if parsed.config else {}
    settings |= dict(read_assignment(text) for text in parsed.set)
    for flag, key in FLAGS.items():
        value = getattr(parsed, key)
        if value is not None:
            settings[key] = Setting(value, flag)
    return settings


def list_models() -> str:
    """The catalogue as a table."""
    rows = [("NAME", "MODEL", "PARAMETERS", "IMAGENET TOP-1", "HERE", "LICENCE", "KAGGLE HANDLE")]
    for model in MODELS.values():
        top1 = f"{model.variant.top1:.3f} %" if model.variant.top1 else "-"
        parameters = f"{model.architecture.parameter_count:,}"
        here = "yes" if is_cached(model, cache_dir()) else "no"
        handle = model.kaggle or "made on the spot"
        rows.append(
            (model.name, model.variant.title, parameters, top1, here, model.licence, handle)
        )
    return _table(rows)


def list_datasets() -> str:
    """The datasets as a table."""
    return _table([("NAME", "DATASET")] + [(d.name, d.about) for d in DATASETS.values()])


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
