import pytest

from common.errors import InputError
from pipeline.batch import fit_batch
from pipeline.options.build import build_config
from pipeline.options.settings import Setting


def config(**settings):
    settings = {"model": "vit_b16_fe", "dataset": "tf_flowers"} | settings
    return build_config({key: Setting(value, f"--{key}") for key, value in settings.items()})


@pytest.mark.parametrize(
    ("images", "batch"), [(10_000, 64), (68, 64), (67, 32), (30, 16), (3, 2), (2, 1)]
)
def test_the_batch_size_of_a_recipe_is_halved_for_small_datasets(images, batch):
    given = config()
    assert given.train.batch_size == 64
    fitted = fit_batch(given, images)
    assert fitted.train.batch_size == batch
    assert (fitted == given) == (batch == 64)


def test_the_halved_batch_is_a_multiple_of_the_accumulation():
    assert fit_batch(config(**{"train.accumulation": 16}), 16).train.batch_size == 16
    with pytest.raises(InputError, match="--batch-size 16: found 15 training images"):
        fit_batch(config(**{"train.accumulation": 16}), 15)


def test_a_chosen_batch_is_never_changed():
    chosen = config(**{"train.batch_size": 100})
    assert fit_batch(chosen, 100) == chosen
    with pytest.raises(InputError, match="--batch-size 100: found 99 training images; expected a"):
        fit_batch(chosen, 99)
