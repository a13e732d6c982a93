import dataclasses
import re

import pytest

from common.errors import InputError
from pipeline.options.build import build_config, read_config
from pipeline.options.config import OPTIONS
from pipeline.options.config_file import read_assignment, read_yaml
from pipeline.options.defaults import default_name
from pipeline.options.flags import FLAGS
from pipeline.options.settings import Setting
from pipeline.recipes import RECIPES
from trainer.input.augmentation import Augmentation


def config_of(**values):
    """Builds a configuration from keyword arguments; `train__epochs` means `train.epochs`."""
    values = {key.replace("__", "."): value for key, value in values.items()}
    return build_config({key: Setting(value, f"--{key}") for key, value in values.items()})


def test_defaults_are_the_datasets_recipe():
    config = config_of(model="vit_b16_fe")
    recipe = RECIPES["tf_flowers_full"]
    assert (config.dataset, config.tune, config.recipe) == ("tf_flowers", "full", "tf_flowers_full")
    assert config.train == recipe.hyperparameters
    assert config.gate.min_accuracy == recipe.min_accuracy
    assert config.name == "tf-flowers-vit-b16-fe-full"
    assert config.pipeline_root.endswith("/runs/tf-flowers-vit-b16-fe-full")
    assert config.serving_dir == config.pipeline_root + "/serving"


def test_given_values_override_those_of_the_recipe():
    config = config_of(model="vit_b16_fe", tune="head", train__epochs="3", gate__max_drop=0.01)
    recipe = RECIPES["tf_flowers_head"].hyperparameters
    assert config.train == dataclasses.replace(recipe, epochs=3)
    assert config.gate.max_drop == 0.01


def test_a_directory_with_the_name_of_a_catalogue_model_is_not_that_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vit_b16_fe").mkdir()
    (tmp_path / "vit_b16_fe" / "saved_model.pb").touch()
    assert config_of(model="./vit_b16_fe").gate.min_accuracy == 0.5


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("https://tfhub.dev/google/imagenet/mobilenet/feature_vector/5", "feature-vector"),
        ("https://example.com/models/My_ViT.tar.gz?token=a/b", "my-vit-tar-gz"),
        ("https://user:password@example.com/1", "example-com"),
        ("https://example.com/花/", None),
    ],
)
def test_default_names_of_urls(model, name):
    slug = default_name("d", model, "full").removeprefix("d-").removesuffix("-full")
    assert slug == name if name else re.fullmatch("[0-9a-f]{8}", slug)


def test_full_tuning_has_the_augmentation_of_the_recipe():
    assert config_of(model="vit_b16_fe").augment == RECIPES["tf_flowers_full"].augmentation
    assert config_of(model="vit_b16_fe", augment__mixup="0.2").augment.mixup == 0.2
    assert config_of(model="vit_b16_fe", tune="head").augment == Augmentation()
    with pytest.raises(InputError, match="has no effect with --tune head, which does not augment"):
        config_of(model="vit_b16_fe", tune="head", augment__flip="true")


@pytest.mark.parametrize(
    ("model", "recipe"),
    [
        ("vit_b16_fe", "tf_flowers_full"),
        ("https://tfhub.dev/sayakpaul/vit_b16_fe/1", "tf_flowers_full"),
        ("spsayakpaul/vision-transformer/tensorFlow2/vit-b16-fe/1", "tf_flowers_full"),
        ("gs://vit_models/augreg/Ti_16.npz", "tf_flowers_full"),
        ("https://tfhub.dev/google/imagenet/mobilenet_v2_100_224/feature_vector/5", "other_full"),
    ],
)
def test_published_recipes_are_for_vits_only(model, recipe):
    assert config_of(model=model).recipe == recipe
    assert config_of(model=model, tune="head").recipe == "tf_flowers_head"


@pytest.mark.parametrize(
    ("options", "has_the_recipes_floor"),
    [
        ({"model": "vit_b16_fe"}, True),
        ({"model": "spsayakpaul/vision-transformer/tensorFlow2/vit-b16-fe/1"}, True),
        ({"model": "gs://vit_models/augreg/Ti_16.npz"}, True),
        # the catalogue has no pretrained weights for this model
        ({"model": "vit_mini_fe", "dataset": "digits"}, True),
        ({"model": "vit_b16_fe", "weights": "random"}, False),
        ({"model": "https://tfhub.dev/google/imagenet/mobilenet_v2/feature_vector/5"}, False),
    ],
)
def test_the_recipes_min_accuracy_applies_to_pretrained_weights(options, has_the_recipes_floor):
    config = config_of(**options)
    expected = RECIPES[config.recipe].min_accuracy if has_the_recipes_floor else 0.5
    assert config.gate.min_accuracy == expected
    assert config_of(**options, gate__min_accuracy="0.7").gate.min_accuracy == 0.7


def test_a_recipe_can_be_chosen_by_name():
    config = config_of(model="vit_b16_fe", recipe="digits_full")
    assert config.train == RECIPES["digits_full"].hyperparameters


def test_epochs_override_the_steps_of_the_recipe():
    assert config_of(model="vit_b16_fe", recipe="augreg_500").train.steps == 500
    by_epochs = config_of(model="vit_b16_fe", recipe="augreg_500", train__epochs="3").train
    assert (by_epochs.epochs, by_epochs.steps) == (3, None)
    assert (
        config_of(model="vit_b16_fe", recipe="augreg_500").to_json()
        == read_config(config_of(model="vit_b16_fe", recipe="augreg_500").to_json()).to_json()
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("--train.epochs 3", "--train.steps 7"),
        ("--train.warmup_steps 3", "--train.warmup_epochs 7.0"),
    ],
)
def test_epochs_and_steps_together_are_refused(one, other):
    given = [text.removeprefix("--").replace(".", "__", 1).split() for text in (one, other)]
    with pytest.raises(InputError, match=f"^{one}: has no effect with {other}; expected only one"):
        config_of(model="vit_b16_fe", **dict(given))


def test_warmup_in_steps_is_not_overruled_by_a_recipe_in_epochs(monkeypatch):
    recipe = RECIPES["tf_flowers_full"]
    in_epochs = dataclasses.replace(recipe.hyperparameters, warmup_epochs=1.0)
    changed = dataclasses.replace(recipe, hyperparameters=in_epochs)
    monkeypatch.setitem(RECIPES, "tf_flowers_full", changed)
    train = config_of(model="vit_b16_fe", train__warmup_steps="5").train
    assert (train.warmup_steps, train.warmup_epochs) == (5, None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"tune": "head", "recipe": "tf_flowers_full"},
            "--recipe tf_flowers_full: this recipe is for --tune full; expected one of tf_flo",
        ),
        ({"tune": "full", "recipe": "default_head"}, "is for --tune head; expected one of tf_flo"),
        (
            {"tune": "head", "train.layer_decay": "0.7"},
            "--train.layer_decay: has no effect with --tune head, which does not train",
        ),
        (
            {"tune": "head", "train.head": "linear_probe", "train.ema": "0.9"},
            "--train.ema: has no effect with --head linear_probe",
        ),
        (
            {"tune": "head", "train.head": "linear_probe", "tuner": "3"},
            "--tuner: --head linear_probe has nothing to search for",
        ),
    ],
)
def test_options_without_an_effect_are_refused(values, message):
    settings = {key: Setting(value, f"--{key}") for key, value in values.items()}
    with pytest.raises(InputError, match=re.escape(message)):
        build_config({"model": Setting("vit_b16_fe", "--model"), **settings})


def test_an_option_with_its_default_value_is_no_error():
    """A configuration file may contain every option, even an option without an effect."""
    config = config_of(model="vit_b16_fe", tune="head", train__head="linear_probe")
    assert read_config(config.to_json()) == config
    assert config_of(model="vit_b16_fe", tune="head", train__layer_decay="1").tune == "head"


def test_a_model_outside_the_catalogue_needs_an_accuracy_of_one_half(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "saved_model.pb").touch()
    config = config_of(model=f"{tmp_path}/mine/")
    assert config.gate.min_accuracy == 0.5
    assert config.name == "tf-flowers-mine-full"


def test_a_remote_root_is_unchanged():
    config = config_of(model="vit_b16_fe", pipeline_root="gs://bucket/root")
    assert config.pipeline_root == "gs://bucket/root"
    assert config.serving_dir == "gs://bucket/root/serving"


def test_data_dir_goes_to_tfds_sources_only(tmp_path):
    tfds = config_of(model="vit_b16_fe", data_dir=str(tmp_path))
    assert tfds.source == {"kind": "tfds", "name": "tf_flowers", "data_dir": str(tmp_path)}
    with pytest.raises(InputError, match="has no effect with --dataset digits"):
        config_of(model="vit_b16_fe", dataset="digits", data_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("train.epochs", "-1", "--train.epochs -1: expected a whole number of at least 1"),
        ("train.epochs", "many", "expected a whole number of at least 1"),
        ("train.epochs", 2.5, "expected a whole number of at least 1"),
        ("train.epochs", True, "expected a whole number of at least 1"),
        ("train.learning_rate", "0", "expected a number above 0"),
        ("gate.min_accuracy", "97", "expected a number from 0 to 1"),
        ("gate.min_accuracy", [1], "expected a number from 0 to 1"),
        ("tune", "some", "expected full or head"),
        ("run.verbose", "loud", "expected true or false"),
        ("name", "My_Name", "expected a name of a-z, 0-9 and -"),
        ("data_dir", "", "expected a text"),
        ("train.seed", str(2**32), "expected a whole number from 0 to 4294967295"),
        ("train.learning_rate", "nan", "expected a number above 0"),
        ("train.learning_rate", "inf", "expected a number above 0"),
        ("run.runner", "beam", "no --beam-arg"),
        ("augment.crop_area", "0", "expected a number above 0 and at most 1"),
        ("augment.flip", "maybe", "expected true or false"),
        (
            "cloud.labels",
            "Team Name=A B",
            "expected KEY=VALUE, each with at most 63 characters of a-z",
        ),
        ("cloud.labels", ["team=vision", "team"], "expected KEY=VALUE, each"),
        ("cloud.labels", "1team=vision", "expected KEY=VALUE, each"),
        ("cloud.network", "default", "a network's full name, projects/NUMBER/global/networks/NAME"),
        ("cloud.network", "projects/p/global/networks/n", "expected a network's full name"),
        ("cloud.encryption_key", "k", "a key's full name, projects/PROJECT/locations"),
        ("recipe", "nope", "expected one of tf_flowers_full"),
        ("dataset", "nope", "no such dataset and no such file or folder"),
        ("train.epoch", 3, "did you mean train.epochs?"),
        ("zzz", 3, "--list-options prints the keys"),
    ],
)
def test_bad_values_are_named_with_what_was_expected(key, value, expected):
    settings = {"model": "vit_b16_fe", key: value}
    with pytest.raises(InputError) as error:
        build_config({k: Setting(v, f"--{k}") for k, v in settings.items()})
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_a_model_is_required():
    with pytest.raises(InputError, match="--model is missing"):
        build_config({})


@pytest.mark.parametrize(("text", "value"), [("1e-3", 0.001), ("0.5", 0.5), (1, 1.0)])
def test_numbers_from_text_and_yaml(text, value):
    assert config_of(model="vit_b16_fe", train__learning_rate=text).train.learning_rate == value


def test_null_switches_off():
    assert config_of(model="vit_b16_fe", train__clip_norm="null").train.clip_norm is None
    assert config_of(model="vit_b16_fe", gate__min_class_recall=None).gate.min_class_recall is None


def test_yaml_file(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("model: vit_b16_fe\ntrain: {epochs: 3}\nrun:\n  beam_args: [--a, --b]\n")
    config = build_config(read_yaml(str(path)))
    assert (config.train.epochs, config.run.beam_args) == (3, ("--a", "--b"))


def test_a_yaml_group_with_nothing_below_it(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("model: vit_b16_fe\ntrain:\ngate:\n")
    assert build_config(read_yaml(str(path))) == config_of(model="vit_b16_fe")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("- a\n- b", "expected a mapping"),
        ("a: [", "not YAML"),
        ("tune: full\nmodel: x\ntune: head", "found the key tune twice; expected it once"),
        ("train:\n  epochs: 1\n  seed: 2\n  epochs: 3", "found the key epochs twice"),
        ("train: {epochs: 1}\ntrain: {seed: 2}", "found the key train twice"),
        ("train.epochs: 1\ntrain: {epochs: 1}", "train.epochs is given twice; expected it once"),
    ],
)
def test_bad_yaml(tmp_path, content, expected):
    path = tmp_path / "run.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=expected):
        read_yaml(str(path))


def test_yaml_may_override_a_merged_key(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("x: &base {epochs: 3, seed: 1}\ntrain: {<<: *base, epochs: 5}\n")
    settings = read_yaml(str(path))
    assert (settings["train.epochs"].value, settings["train.seed"].value) == (5, 1)


def test_the_home_directory_is_expanded_in_every_path(tmp_path, monkeypatch):
    """Shells do not expand `~` in `--flag=~/x` or in YAML files, so the pipeline does."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "saved_model.pb").touch()
    (tmp_path / "flowers").mkdir()
    (tmp_path / "run.yaml").write_text(
        "{model: ~/mine, dataset: ~/flowers, pipeline_root: ~/root, serving_dir: ~/serving}"
    )
    config = build_config(read_yaml("~/run.yaml"))
    assert config.model == f"{tmp_path}/mine"
    assert config.source["path"] == f"{tmp_path}/flowers"
    assert (config.pipeline_root, config.serving_dir) == (f"{tmp_path}/root", f"{tmp_path}/serving")
    assert config_of(model="vit_b16_fe", data_dir="~/t").source["data_dir"] == f"{tmp_path}/t"
    compiled = config_of(model="vit_b16_fe", run__runner="kubeflow", cloud__token_file="~/token")
    assert compiled.cloud.token_file == f"{tmp_path}/token"


def test_missing_yaml():
    with pytest.raises(InputError, match="No such file"):
        read_yaml("/nowhere/run.yaml")


def test_unknown_yaml_key_names_the_file(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("model: vit_b16_fe\ntrain: {epoch: 3}\n")
    with pytest.raises(InputError, match=r"run\.yaml: train\.epoch: there is no key"):
        build_config(read_yaml(str(path)))


def test_options_from_assignments():
    assert read_assignment("a.b=c=d") == ("a.b", Setting("c=d", "--set a.b"))
    with pytest.raises(InputError, match="expected KEY=VALUE"):
        read_assignment("a.b")


def test_every_flag_names_a_key_and_every_key_has_a_help_text():
    assert set(FLAGS.values()) <= set(OPTIONS)
    assert all(option.help for option in OPTIONS.values())


def test_passwords_and_signatures_are_not_stored():
    config = config_of(model="https://user:password@host/m.tgz?signature=1", dataset="digits")
    assert config.model_and_dataset == "model https://…@host/m.tgz?…, dataset digits"
    there = {"run.runner": "kubeflow", "cloud.host": "https://user:password@kfp.example"}
    config = config_of(model="vit_b16_fe", **there)
    assert "kfp.example" in config.to_json()
    assert "password" not in config.to_json()
    assert config.cloud.host == there["cloud.host"]
