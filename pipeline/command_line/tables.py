"""The tables that `--list-models`, `--list-datasets` and `--list-options` print."""

import re
from collections.abc import Sequence

from backbones.catalogue import MODELS
from backbones.resolve import cache_dir, is_cached
from pipeline.datasets import DATASETS
from pipeline.options.config import OPTIONS
from pipeline.options.flags import FLAGS
from pipeline.options.machines import Machines


def describe_option(key: str) -> str:
    """Returns the help text of an option, and its default if recipes do not set the option."""
    of_recipe = key.startswith(("train.", "augment."))
    return OPTIONS[key].help if of_recipe else OPTIONS[key].help_with_default


def list_options() -> str:
    """Returns a table of all options: the key, the flag and the meaning of each option.

    All nodes except Trainer have the same options `machines.<node>.…`, so the table lists the
    options of these nodes once, as `machines.NODE.…`.
    """
    flags = {key: flag for flag, key in FLAGS.items()}
    rows = {}
    for key, option in OPTIONS.items():
        shown = re.sub(r"^machines\.(?!trainer\.)\w+", "machines.NODE", key)
        choices = f" [{', '.join(option.choices)}]" if option.choices else ""
        rows[shown] = (shown, flags.get(key, ""), describe_option(key) + choices)
    nodes = ", ".join(vars(Machines()))
    return make_table([("KEY", "FLAG", "MEANING"), *rows.values()]) + f"\nNODE is one of {nodes}."


def list_models() -> str:
    """Returns a table of the models that `--model` accepts by name."""
    rows = [("NAME", "MODEL", "PARAMETERS", "IMAGENET TOP-1", "HERE", "LICENCE", "KAGGLE HANDLE")]
    for model in MODELS.values():
        top1 = f"{model.variant.top1:.3f} %" if model.variant.top1 else "-"
        parameters = f"{model.architecture.parameter_count:,}"
        here = "yes" if is_cached(model, cache_dir()) else "no"
        handle = model.kaggle or "none (random weights)"
        rows.append(
            (model.name, model.variant.title, parameters, top1, here, model.licence, handle)
        )
    return make_table(rows)


def list_datasets() -> str:
    """Returns a table of the datasets that `--dataset` accepts by name."""
    return make_table([("NAME", "DATASET")] + [(d.name, d.about) for d in DATASETS.values()])


def make_table(rows: Sequence[Sequence[str]]) -> str:
    """Aligns the cells of `rows` in columns, with one line for each row."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)
