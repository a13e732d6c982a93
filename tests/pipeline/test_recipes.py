import re

import numpy as np
import pytest
import scipy.stats

from backbones.catalogue import MODELS
from common.interval import wilson_lower_bound
from pipeline.datasets import DATASETS
from pipeline.options.gate import Gate
from pipeline.recipes import OTHER_BACKBONES, RECIPES
from trainer.training.optimizer import Schedule


def rates(recipe, examples, steps):
    """Returns the number of steps for `examples` images, and the learning rates at `steps`."""
    train = RECIPES[recipe].hyperparameters
    total = train.total_steps(examples)
    schedule = Schedule(
        train.learning_rate,
        train.warmup(examples),
        total,
        train.schedule,
        start=train.warmup_start,
    )
    return total, [float(schedule(step)) for step in steps]


def test_the_notebooks_recipe():
    """The expected values are from the notebook of the TF-Hub collection, for 3,303 images."""
    total, found = rates("tf_flowers_full", 3303, (0, 5, 10, 413))
    assert total == 413  # the notebook rounds the number of steps down to 412
    np.testing.assert_allclose(found, [0.006, 0.018, 0.03, 0], atol=1e-7)
    train = RECIPES["tf_flowers_full"].hyperparameters
    assert (train.momentum, train.clip_norm, train.clip) == (0.0, 1.0, "each")


@pytest.mark.parametrize(("recipe", "steps"), [("augreg_500", 500), ("augreg_2500", 2500)])
def test_augregs_recipes(recipe, steps):
    """AugReg uses 100 warm-up steps, cosine decay, momentum 0.9 and clipping to global norm 1."""
    total, found = rates(recipe, 3303, (0, 50, 100, steps))
    assert total == steps
    np.testing.assert_allclose(found, [0, 0.005, 0.01, 0], atol=1e-7)
    train = RECIPES[recipe].hyperparameters
    assert (train.batch_size, train.momentum, train.clip_norm) == (512, 0.9, 1.0)
    assert (train.optimizer, train.clip, train.weight_decay) == ("sgd", "global", 0.0)


def test_datasets_have_recipes_of_the_right_tuning():
    for recipes in (*(dataset.recipes for dataset in DATASETS.values()), OTHER_BACKBONES):
        for tune, name in recipes.items():
            assert RECIPES[name].tune == tune


def test_the_page_on_training_has_the_published_accuracies(project):
    rows = re.findall(
        r"^\| `python pipeline_runner.py --model (\S+) --dataset (\S+)` \| ([\d.]+) % \|",
        (project / "docs" / "training.md").read_text(),
        re.MULTILINE,
    )
    published = {
        (entry.model, dataset, entry.accuracy)
        for dataset in DATASETS
        for entry in RECIPES[DATASETS[dataset].recipes["full"]].published
    }
    assert {(model, dataset, float(accuracy)) for model, dataset, accuracy in rows} == published
    assert {model for model, *_ in published} <= set(MODELS)


@pytest.mark.parametrize(
    ("floor", "entry"),
    [(recipe.min_accuracy, entry) for recipe in RECIPES.values() for entry in recipe.published],
    ids=str,
)
def test_the_gate_accepts_models_that_are_as_accurate_as_the_published_ones(floor, entry):
    accuracy, images = entry.accuracy / 100, entry.images
    assert 100 * np.sqrt(accuracy * (1 - accuracy) / images) == pytest.approx(
        entry.spread, abs=0.05
    )
    bounds = [wilson_lower_bound(hits, images, Gate.confidence) for hits in range(images + 1)]
    needed = int(np.searchsorted(bounds, floor))
    assert round(accuracy * images) >= needed
    assert scipy.stats.binom.cdf(needed - 1, images, accuracy) < 0.01
