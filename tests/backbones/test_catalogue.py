import pytest

from backbones.catalogue import MODELS

# The number of parameters of each official model for images of 224 x 224 pixels: with a classifier
# head for 1,000 classes, and without a head.
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


def test_the_catalogue_has_the_sixteen_models_of_the_collection_and_vit_mini():
    names = {f"{v}_{task}" for v in PARAMETERS for task in ("fe", "classification")}
    assert set(MODELS) == names | {"vit_mini_fe"}


@pytest.mark.parametrize("variant", PARAMETERS)
def test_published_parameter_counts(variant):
    counts = tuple(
        MODELS[f"{variant}_{task}"].architecture.parameter_count
        for task in ("classification", "fe")
    )
    assert counts == PARAMETERS[variant]


# The published checkpoint of each variant, and its top-1 accuracy on ImageNet-1k in percent.
PUBLISHED = {
    "vit_b8": (
        "B_8-i21k-300ep-lr_0.001-aug_medium2-wd_0.1-do_0.0-sd_0.0"
        "--imagenet2012-steps_20k-lr_0.01-res_224.npz",
        85.948,
    ),
    "vit_l16": (
        "L_16-i21k-300ep-lr_0.001-aug_medium1-wd_0.1-do_0.1-sd_0.1"
        "--imagenet2012-steps_20k-lr_0.01-res_224.npz",
        85.716,
    ),
    "vit_b16": (
        "B_16-i21k-300ep-lr_0.001-aug_medium2-wd_0.03-do_0.0-sd_0.0"
        "--imagenet2012-steps_20k-lr_0.03-res_224.npz",
        84.018,
    ),
    "vit_r50_l32": (
        "R50_L_32-i21k-300ep-lr_0.001-aug_medium1-wd_0.1-do_0.1-sd_0.1"
        "--imagenet2012-steps_20k-lr_0.01-res_224.npz",
        83.784,
    ),
    "vit_r26_s32_lightaug": (
        "R26_S_32-i21k-300ep-lr_0.001-aug_light0-wd_0.03-do_0.1-sd_0.1"
        "--imagenet2012-steps_20k-lr_0.03-res_224.npz",
        80.944,
    ),
    "vit_r26_s32_medaug": (
        "R26_S_32-i21k-300ep-lr_0.001-aug_medium2-wd_0.1-do_0.0-sd_0.0"
        "--imagenet2012-steps_20k-lr_0.01-res_224.npz",
        80.462,
    ),
    "vit_s16": (
        "S_16-i21k-300ep-lr_0.001-aug_light1-wd_0.03-do_0.0-sd_0.0"
        "--imagenet2012-steps_20k-lr_0.03-res_224.npz",
        80.462,
    ),
    "vit_b32": (
        "B_32-i21k-300ep-lr_0.001-aug_medium1-wd_0.03-do_0.0-sd_0.0"
        "--imagenet2012-steps_20k-lr_0.03-res_224.npz",
        79.436,
    ),
}


@pytest.mark.parametrize("variant", PUBLISHED)
@pytest.mark.parametrize("task", ["fe", "classification"])
def test_published_checkpoints_accuracies_and_licence(variant, task):
    model = MODELS[f"{variant}_{task}"]
    assert (model.variant.checkpoint, model.variant.top1) == PUBLISHED[variant]
    assert model.licence == "Apache-2.0"


def test_handles():
    assert MODELS["vit_b16_fe"].handle == "https://tfhub.dev/sayakpaul/vit_b16_fe/1"
    assert MODELS["vit_b16_fe"].kaggle == (
        "spsayakpaul/vision-transformer/tensorFlow2/vit-b16-fe/1"
    )
    assert MODELS["vit_mini_fe"].handle is None
    assert MODELS["vit_mini_fe"].kaggle is None
