"""Makes the settings of the node Report."""

from collections.abc import Sequence

from backbones.catalogue import MODELS
from common.urls import remove_secrets
from components.report.settings import ReportSettings
from pipeline.datasets import DATASETS
from pipeline.inputs import Inputs
from pipeline.options.command import describe_options, make_command
from pipeline.options.config import Config
from pipeline.recipes import RECIPES


def make_report_settings(
    config: Config,
    inputs: Inputs,
    *,
    training: str,
    champion: str,
    code: str,
    flags: Sequence[str] = (),
) -> ReportSettings:
    """Returns the settings of the node Report.

    Args:
      config: the configuration of the run.
      inputs: the data, backbone and schema of the run.
      training: fingerprint of the options, code and data that determine the model.
      champion: URI of the JSON file about the last blessed model; empty if there is no such model.
      code: fingerprint of the code of all nodes.
      flags: the flags that select a command other than a run, such as `--inspect`, for the command
        line that the report shows.
    """
    recipe = RECIPES[config.recipe]
    usual = recipe.values()
    return ReportSettings(
        name=config.name,
        model=config.model_in_words,
        model_licence=_licence(config),
        dataset=remove_secrets(config.dataset),
        dataset_licence=DATASETS[config.dataset].licence if config.dataset in DATASETS else "",
        classes=tuple(inputs.classes),
        tune=config.tune,
        recipe=config.recipe,
        training=f"{recipe.about}. {config.training_in_words}",
        differs_from_recipe={
            key: (str(value), str(usual[key]))
            for key, value in config.options_that_differ_from_recipe().items()
        },
        lineage={
            "images": inputs.source_fingerprint,
            "backbone": inputs.backbone_fingerprint,
            "training": training,
            "code": code,
            "champion": (champion or "none") if training else "",
        },
        command=make_command(config, *flags),
        options=describe_options(config),
    )


def _licence(config: Config) -> str:
    """Returns the licence of the backbone's weights; empty if it is not known."""
    model = MODELS.get(config.model)
    return model.licence if model else ""
