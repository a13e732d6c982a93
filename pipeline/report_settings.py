"""Makes the settings of the node Report. Imports neither TensorFlow nor TFX."""

from backbones.catalogue import MODELS
from common.urls import remove_secrets
from components.report.settings import ReportSettings
from pipeline.datasets import DATASETS
from pipeline.inputs import Inputs
from pipeline.options.command import make_command
from pipeline.options.config import Config
from pipeline.recipes import RECIPES


def make_report_settings(
    config: Config, inputs: Inputs, *, training: str, champion: str, code: str
) -> ReportSettings:
    """Returns the settings of Report.

    Args:
      config: the configuration of the run.
      inputs: the data, backbone and schema of the run.
      training: fingerprint of the training.
      champion: URI of the record of the champion; empty if there is none.
      code: fingerprint of the code of all nodes.
    """
    train = config.train
    length = f"{train.steps} steps" if train.steps else f"{train.epochs} epochs"
    recipe = RECIPES[config.recipe]
    of_recipe = {"train": recipe.hyperparameters, "augment": recipe.augmentation}
    beside = {}
    for key, value in config.options_beside_recipe().items():
        group, _, name = key.partition(".")
        beside[key] = (str(value), str(getattr(of_recipe[group], name)))
    return ReportSettings(
        name=config.name,
        model=remove_secrets(config.model)
        + (" (random weights)" if config.weights == "random" else ""),
        model_licence=_licence(config),
        dataset=remove_secrets(config.dataset),
        dataset_licence=DATASETS[config.dataset].licence if config.dataset in DATASETS else "",
        classes=tuple(inputs.classes),
        tune=config.tune,
        recipe=config.recipe,
        training=f"{recipe.about}. {length} of {train.optimizer}, batch {train.batch_size}, "
        f"learning rate {train.learning_rate:g}, seed {train.seed}",
        beside_recipe=beside,
        lineage={
            "images": inputs.source_fingerprint,
            "backbone": inputs.backbone_fingerprint,
            "training": training,
            "code": code,
            "champion": champion or "none",
        },
        command=make_command(config),
    )


def _licence(config: Config) -> str:
    """Returns the licence of the backbone's weights; empty if it is not known."""
    model = MODELS.get(config.model)
    return model.licence if model else ""
