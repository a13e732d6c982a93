"""Generates docs/options.md from the declarations of the options.

    python -m pipeline.options.reference > docs/options.md

A test fails if docs/options.md differs from the result of `write_reference`.
"""

import dataclasses
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.options.config import OPTIONS
from pipeline.options.flags import FLAGS
from pipeline.options.machines import Machines
from pipeline.options.settings import Option
from pipeline.recipes import RECIPES, Recipe

_INTRODUCTION = """\
# Options

Every option of a run, generated from the option table by `python -m pipeline.options.reference >
docs/options.md`. `python pipeline_runner.py --list-options` prints the same options on a terminal.

Every option has a dotted key. A YAML file (`--config`) and `--set KEY=VALUE` take any option by its
key; the most common options have a flag as well. If an option is given more than once, a flag
overrides `--set`, and `--set` overrides the YAML file. If an option would have no effect, the
command line reports an error.

```
python pipeline_runner.py --model vit_b16_fe --dataset flowers/ --set train.ema=0.999
python pipeline_runner.py --config run.yaml
```

where `run.yaml` is:

```yaml
model: vit_b16_fe
dataset: flowers/
tune: head
train: {epochs: 100, learning_rate: 0.001}
gate: {min_accuracy: 0.9, min_class_recall: 0.7}
```

"the recipe's" in the column *default* means that the recipe of the run sets the value: see
[Recipes](#recipes). An option with an empty default is not set unless you give a value.
"""

_GROUPS = {
    "": ("The run", "Model, images and directories for results. Only `--model` is required."),
    "backbone": ("The backbone's input", "Properties that a SavedModel does not state "
                 "([models.md](models.md))."),
    "ingest": ("Images", "How ImageExampleGen turns images into examples ([data.md](data.md))."),
    "data": ("Data check", "The checks of DataCheck before the training ([data.md](data.md))."),
    "train": ("Training", "How Trainer trains ([training.md](training.md)). `--jit-compile` is a "
              "switch: `--set train.jit_compile=false` turns XLA off."),
    "augment": ("Augmentation", "How Trainer varies the training images. Only `--tune full` "
                "augments."),
    "gate": ("Gate", "The conditions on the `test` split under which a new model is blessed: it "
             "reaches the required accuracy and recall, and its accuracy is not below that of the "
             "last blessed model of the same classes by more than `gate.max_drop` "
             "([gate.md](gate.md))."),
    "serve": ("Serving", "The predictions that the exported model accepts, and the number of its "
              "versions in the serving directory ([serving.md](serving.md))."),
    "serving_check": ("Check of serving", "The limits for the exported model in a process that "
    "loads it as a server does ([gate.md](gate.md#servingcheck))."),
    "report": ("Report", "The contents of the report of a run ([report.md](report.md))."),
    "endpoint": ("At an endpoint of Vertex AI", "The options of `--endpoint`, in a run with "
    "`--runner vertex` or as a command of its own ([vertex.md](vertex.md#an-endpoint))."),
    "run": ("Where and how the pipeline runs", "The engines that `--beam-arg` can name are in "
            "[beam.md](beam.md)."),
    "cloud": ("On a cluster", "The options of `--runner kubeflow` and `--runner vertex` "
    "([kubeflow.md](kubeflow.md), [vertex.md](vertex.md)). Without `--schedule` the "
              "pipeline runs once, now. A schedule without `--start` begins now, and a schedule "
              "without `--end` never ends. Without `--service-account` a run acts as the cluster's "
              "own "
              "account."),
    "machines": ("The nodes' machines", "The machines of the nodes with `--runner kubeflow` and "
    "`--runner vertex`. A node without such options gets the cluster's default. "
                 "`--trainer-accelerator NVIDIA_TESLA_T4:2` gives Trainer two GPUs. Without "
                 "`--trainer-machine`, Trainer is a step of the pipeline; with this flag, a custom "
                 "job "
                 "([vertex.md](vertex.md#trainer-on-machines-of-its-own))."),
}  # fmt: skip

# Flags that do not set an option. A test checks that every flag of the parser either sets an option
# or is in `_OTHER_FLAGS`.
_OTHER_FLAGS = {
    "`--config FILE`": "read options from a YAML file, by their keys",
    "`--set KEY=VALUE`": "set any option by its key, such as `train.momentum=0.8`; may be repeated",
    "`--help`": "print the flags",
    "`--inspect`": "read and check the images, write a page with some images of each class, and "
    "train nothing ([data.md](data.md#look-before-you-train))",
    "`--history`": "list the runs below `./runs`, of `--name` or below `--pipeline-root`, also in "
    "a bucket, and their reports ([report.md](report.md#past-runs))",
    "`--compare RUN RUN`": "compare two of the runs of `--history` "
    "([report.md](report.md#two-runs))",
    "`--clean-cache`": "remove models that can be created or copied again, and the checkpoints of "
    "unfinished trainings below `./runs` or `--pipeline-root`",
    "`--write-schema FILE`": "ingest the images, write the inferred schema to a file for review, "
    "and stop ([data.md](data.md#schema))",
    "`--version`": "print the version",
    "`--list-models`": "print the models of the catalogue",
    "`--list-datasets`": "print the datasets that have a name for `--dataset`",
    "`--list-options`": "print every option by its key",
    "`--rollback [VERSION]`": "serve an earlier version again ([serving.md](serving.md#rollback))",
    "`--promote`": "give all requests of `--endpoint` to the model that was deployed last "
    "([vertex.md](vertex.md#an-endpoint))",
    "`--list-schedules`": "print the schedules of kubeflow or vertex",
    "`--pause NAME`": "pause a schedule",
    "`--resume NAME`": "resume a schedule",
    "`--delete-schedule NAME`": "delete a schedule",
}


def write_reference() -> str:
    """Returns the text of docs/options.md: flags, keys, meanings, values and defaults."""
    parts = [_INTRODUCTION]
    for group, (title, about) in _GROUPS.items():
        parts += [f"## {title}", _wrap(about), _table(_HEADER, _rows(group))]
    nodes = ", ".join(f"`{node}`" for node in vars(Machines()))
    parts.append(_wrap(f"`NODE` is one of {nodes}."))
    parts += [
        "## Other flags",
        _table(("flag", "what it does"), _OTHER_FLAGS.items()),
    ]
    parts += ["## Recipes", _RECIPES, _table(_RECIPES_HEADER, _recipe_rows())]
    parts += [_DIFFERENCES, _table(("key", *_columns()), _difference_rows())]
    return "\n\n".join(parts) + "\n"


_HEADER = ("flag", "key", "meaning", "values", "default")
_RECIPES_HEADER = ("recipe", "for", "meaning", "required accuracy")
_RECIPES = """\
`--recipe` names one of these recipes. The required accuracy is the default of `--min-accuracy` for
AugReg's pretrained weights, for which the recipes were made, and for vit_mini, which has none. For
other weights, the default is 0.5.
"""
_DIFFERENCES = """\
The options in which the recipes differ:"""


def _rows(group: str) -> Iterator[Sequence[str]]:
    flags = {key: flag for flag, key in FLAGS.items()}
    seen = set()
    for key, option in OPTIONS.items():
        if key.rpartition(".")[0].partition(".")[0] != group:
            continue
        shown = re.sub(r"^machines\.(?!trainer\.)\w+", "machines.NODE", key)
        # All nodes except Trainer have the same `machines` options, so the table shows the options
        # of these nodes only once.
        if shown in seen:
            continue
        seen.add(shown)
        meaning, default = _split_default(option.help)
        flag = f"`{flags[key]}`" if key in flags else ""
        values = ", ".join(f"`{choice}`" for choice in option.choices)
        yield flag, f"`{shown}`", meaning, values, default or _default(key, option)


def _split_default(text: str) -> tuple[str, str]:
    """Splits a help text into the meaning and the default; the second text is empty if the help
    text contains no default.
    """
    match = re.fullmatch(r"(.*) \(default: (.*)\)", text)
    return (match[1], match[2]) if match else (text, "")


def _default(key: str, option: Option) -> str:
    group = key.partition(".")[0]
    if group in ("train", "augment"):
        values = _values_in_recipes(key)
        return _show(values[0]) if len(set(values)) == 1 else "the recipe's"
    default = option.field.default
    if key == "model":
        return "required"
    return "" if default is dataclasses.MISSING else _show(default)


def _values_in_recipes(key: str) -> list[Any]:
    """Returns the value that each recipe sets for an option such as `train.epochs`, in the order of
    the recipes.
    """
    group, _, name = key.partition(".")
    return [getattr(_settings_of_recipe(recipe, group), name) for recipe in RECIPES.values()]


def _settings_of_recipe(recipe: Recipe, group: str) -> Any:
    return recipe.hyperparameters if group == "train" else recipe.augmentation


def _show(value: Any) -> str:
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"`{value}`"


def _recipe_rows() -> Iterator[Sequence[str]]:
    for name, recipe in RECIPES.items():
        yield f"`{name}`", f"`--tune {recipe.tune}`", recipe.about, f"`{recipe.min_accuracy}`"


def _columns() -> list[str]:
    return [f"`{name}`" for name in RECIPES]


def _difference_rows() -> Iterator[Sequence[str]]:
    for key in OPTIONS:
        if key.startswith(("train.", "augment.")):
            values = _values_in_recipes(key)
            if len(set(values)) > 1:
                yield f"`{key}`", *map(_show, values)


def _wrap(text: str) -> str:
    """Wraps a paragraph to lines of 100 characters, the width of the handwritten pages."""
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def _table(header: Sequence[str], rows: Any) -> str:
    """Returns a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines
    ).replace("  |", " |")


if __name__ == "__main__":
    print(write_reference(), end="")
