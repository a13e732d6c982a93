"""Defaults of options that depend on the dataset, the model and `--tune`."""

import hashlib
import re
from pathlib import Path

from backbones.reference import ModelReference
from common.urls import remove_secrets
from pipeline.datasets import Dataset
from pipeline.options.gate import Gate
from pipeline.recipes import OTHER_BACKBONES, Recipe

RUNS = Path("runs")  # folder in the working directory for pipeline roots and logs


def default_recipe(dataset: Dataset, model: ModelReference, tune: str) -> str:
    """Returns the name of the default recipe."""
    recipes = dataset.recipes if model.is_augreg else {**dataset.recipes, **OTHER_BACKBONES}
    return recipes[tune]


def default_floor(recipe: Recipe, model: ModelReference, weights: str) -> float:
    """Returns the default of `gate.min_accuracy`.

    The default is the recipe's `min_accuracy` for AugReg's pretrained weights and for catalogue
    models without pretrained weights, such as vit_mini, and 0.5 for any other weights.
    """
    has_augreg_weights = model.is_augreg and not (weights == "random" and model.has_weights)
    return recipe.min_accuracy if has_augreg_weights else Gate.min_accuracy


def default_name(dataset: str, model: str, tune: str) -> str:
    """Returns the default name of a pipeline, which has the form `dataset-model-tune`.

    The default name contains only the characters a-z, 0-9 and -. Without a model, which only the
    command `--inspect` allows, the default name is `dataset-inspect`.
    """
    if not model:
        return f"{_make_name_part(dataset)}-inspect"
    public = remove_secrets(model).partition("?")[0]
    # The last part of a TF-Hub URL may be a version number, as in `…/vit_b16_fe/1`. The default
    # name does not contain the version number.
    segments = [part for part in public.split("/") if not part.isdecimal()]
    stem = next(filter(None, reversed(segments)), model)
    return "-".join(map(_make_name_part, (dataset, stem.removesuffix(".npz"), tune)))


def default_root(name: str) -> Path:
    """Returns the absolute path of the default pipeline root for a pipeline on this machine."""
    return RUNS.resolve() / name


def default_serving_dir(state_dir: str) -> str:
    """Returns the default of `serving_dir`.

    Args:
      state_dir: the value of `Config.state_dir`; empty if each run has its own pipeline root.
    """
    return f"{state_dir}/serving" if state_dir else ""


def _make_name_part(text: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return slug or hashlib.sha256(text.encode()).hexdigest()[:8]


def make_absolute(path: str) -> str:
    """Returns `path` as an absolute path, or unchanged if `path` is a URL."""
    return path if "://" in path else str(Path(path).expanduser().resolve())
