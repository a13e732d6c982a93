"""Records which pipeline a pipeline root belongs to, also on remote storage."""

from tfx.dsl.io import fileio

from common.errors import InputError
from common.files import read_or_write
from pipeline.options.config import Config
from pipeline.root import OWNER


def claim(config: Config) -> None:
    """Records that the pipeline root belongs to the pipeline that `config` describes.

    Raises:
      InputError: the root belongs to another pipeline, whose models would be compared with those
        of this one.
    """
    fileio.makedirs(config.pipeline_root)
    name = read_or_write(f"{config.pipeline_root}/{OWNER}", config.name)
    if name != config.name:
        raise InputError(
            f"{config.pipeline_root}: belongs to the pipeline {name}; expected {config.name}: "
            "choose another pipeline_root"
        )
