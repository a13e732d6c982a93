"""Parses the command line."""

import argparse
import importlib.metadata
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from common.errors import InputError, did_you_mean
from pipeline.command_line.tables import describe_option
from pipeline.options.config import OPTIONS
from pipeline.options.config_file import read_assignment, read_yaml
from pipeline.options.flags import FLAGS
from pipeline.options.settings import Setting

# The headings of --help. `--help` lists an option under the heading for the first part of the
# option's key, such as `train` for `train.epochs`.
_GROUPS = {
    "": "model, images and directories for results",
    "ingest": "reading images into examples",
    "data": "the check of the images before the training",
    "train": "training; the recipe gives all other values",
    "gate": "conditions on a new model",
    "serve": "the exported model and its versions",
    "endpoint": "the endpoint of Vertex AI",
    "run": "the runner",
    "cloud": "clusters: kubeflow, vertex",
    "machines": "the machines of nodes on a cluster",
}


def join_values(arguments: Sequence[str]) -> Iterator[str]:
    """Joins `--beam-arg` and its value, such as `--x`, to one argument, because argparse would take
    a separate `--x` for a flag of this program.
    """
    rest = iter(arguments)
    for argument in rest:
        value = next(rest, None) if argument == "--beam-arg" else None
        yield argument if value is None else f"{argument}={value}"


class Parser(argparse.ArgumentParser):
    """A parser that prints an error in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        _, is_unknown, given = message.partition("unrecognized arguments: ")
        known = [flag for action in self._actions for flag in action.option_strings]
        flag = given.partition(" ")[0].partition("=")[0]
        meant = did_you_mean(flag, known) if is_unknown else ""
        raise InputError(f"{message}; {meant or '--help lists the flags'}")


class StoreOnce(argparse.Action):
    """Stores the value of a flag, and refuses a second value.

    argparse itself would replace the first value by the second value.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        first = getattr(namespace, self.dest)
        if first is not None:
            parser.error(
                f"{option_string} {values}: found a second value, after {first}; expected one value"
            )
        setattr(namespace, self.dest, values)


def version() -> str:
    """Returns the name and the version of the installed package."""
    try:
        return f"vit-pipeline {importlib.metadata.version('vit-pipeline')}"
    except importlib.metadata.PackageNotFoundError:
        return "vit-pipeline, not installed (make setup installs it)"


def make_parser() -> argparse.ArgumentParser:
    """Builds the parser, with the options of `FLAGS` and the help texts of the configuration."""
    parser = Parser(
        prog="pipeline_runner.py",
        usage="pipeline_runner.py --model MODEL [--dataset DATASET] [--tune full|head] [option …]",
        description="Fine-tunes a Vision Transformer, checks it, and pushes it for serving.",
        epilog="exit status: 0 pushed, or pushed already (compiled, submitted, scheduled); 1 the "
        "pipeline failed; 2 bad usage; 3 a check of the data or of the model failed; "
        "130 interrupted; 143 terminated.",
        allow_abbrev=False,
    )
    groups = {
        key: parser.add_argument_group(f"options {key}.…" if key else "main options", about)
        for key, about in _GROUPS.items()
    }
    for flag, key in FLAGS.items():
        group = groups[key.rpartition(".")[0].partition(".")[0]]
        option = OPTIONS[key]
        if option.is_switch:
            group.add_argument(flag, dest=key, action="store_const", const=True, help=option.help)
        elif option.type == tuple[str, ...]:
            group.add_argument(flag, dest=key, action="append", metavar="ARG", help=option.help)
        else:
            metavar = "|".join(option.choices) or key.rsplit(".", 1)[-1].upper()
            group.add_argument(flag, dest=key, metavar=metavar, help=describe_option(key))
    every = groups[""]
    every.add_argument(
        "--config", metavar="FILE", action=StoreOnce, help="YAML file of options, by their keys"
    )
    every.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="any option by its key (--list-options)",
    )
    lists = parser.add_argument_group("instead of a run")
    lists.add_argument(
        "--history",
        action="store_true",
        help="list the runs below ./runs, of --name or below --pipeline-root, and their reports",
    )
    lists.add_argument(
        "--compare",
        nargs=2,
        metavar="RUN",
        help="compare two runs, as --history names them: options, results, and the test images "
        "that their models answer differently; the name of a pipeline stands for its newest run",
    )
    lists.add_argument(
        "--clean-cache",
        action="store_true",
        help="remove models that can be created or copied again, and checkpoints of unfinished "
        "trainings below ./runs or --pipeline-root",
    )
    lists.add_argument(
        "--write-schema",
        metavar="FILE",
        help="ingest the images, write the inferred schema to a file for review, and stop",
    )
    lists.add_argument(
        "--inspect",
        action="store_true",
        help="read and check the images, write a page with some images of each class, and train "
        "nothing; needs no --model, except for --data-check full",
    )
    lists.add_argument("--version", action="version", version=version(), help="print the version")
    for what in ("models", "datasets", "options"):
        lists.add_argument(f"--list-{what}", action="store_true", help=f"print the {what}")
    lists.add_argument(
        "--rollback",
        nargs="?",
        const="",
        metavar="VERSION",
        help="serve an earlier version of the model again; by default, the previous version",
    )
    lists.add_argument(
        "--promote",
        action="store_true",
        help="give all requests of --endpoint to the model that was deployed last",
    )
    lists.add_argument(
        "--list-schedules", action="store_true", help="print the schedules of kubeflow or vertex"
    )
    for action in ("pause", "resume", "delete"):
        flag = "--delete-schedule" if action == "delete" else f"--{action}"
        lists.add_argument(
            flag, dest=f"{action}_schedule", metavar="NAME", help=f"{action} a schedule"
        )
    return parser


def read_settings(parsed: argparse.Namespace) -> dict[str, Setting]:
    """Reads all settings; flags override --set, which overrides the YAML file."""
    settings = read_yaml(parsed.config) if parsed.config else {}
    settings |= dict(read_assignment(text) for text in parsed.set)
    for flag, key in FLAGS.items():
        value = getattr(parsed, key)
        if value is not None:
            settings[key] = Setting(value, flag)
    return settings
