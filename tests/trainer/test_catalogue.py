import pytest

from trainer.catalogue import MODELS

# shapes of the official models at 224 x 224: with 1,000 classes, and without a head
PARAMETERS = {
    "vit_s16": (22_050_664, 21_665_664),
    "vit_b8": (86_576_872, 85_807_872),
    "vit_b16": (86_567_656, 85_798_656),
    "vit_b32": (88_224_232, 87_455_232),
    "vit_l16": (304_326_632, 303_301_632),
    "vit_r26_s32_lightaug": (36_431_912, 36_046_912),
    "vit_r26_s32_medaug": (36_431_912, 36_046_912),
    "vit_r50_l32": (328_994_856, 327_969_856),
}


def test_the_collections_sixteen_models_and_one_to_try_things_with():
    names = {f"{v}_{task}" for v in PARAMETERS for task in ("fe", "classification")}
    assert set(MODELS) == names | {"vit_mini_fe"}


@pytest.mark.parametrize("variant", PARAMETERS)
def test_published_parameter_counts(variant):
    counts = tuple(
        MODELS[f"{variant}_{task}"].architecture.parameter_count
        for task in ("classification", "fe")
    )
    assert counts == PARAMETERS[variant]


def test_handles():
    assert MODELS["vit_b16_fe"].handle == "https://tfhub.dev/sayakpaul/vit_b16_fe/1"
    assert MODELS["vit_b16_fe"].kaggle == (
        "spsayakpaul/vision-transformer/tensorFlow2/vit-b16-fe/1"
    )
    assert MODELS["vit_mini_fe"].handle is None
    assert MODELS["vit_mini_fe"].kaggle is None
