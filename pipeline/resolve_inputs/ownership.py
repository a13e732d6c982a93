"""Records which pipeline uses a state directory, on local or remote storage."""

from tfx.dsl.io import fileio

from common.errors import InputError
from common.files import read_or_write
from pipeline.options.config import Config
from pipeline.root import OWNER


def claim(config: Config) -> None:
    """Records that the pipeline of `config` uses its state directory.

    The state directory is `cloud.state_dir` or, if this option is not given, the pipeline root.
    Only one pipeline may use a state directory, because Evaluator compares each new model with the
    last blessed model that is recorded in this directory.

    Raises:
      InputError: another pipeline uses the state directory.
    """
    fileio.makedirs(config.state_dir)
    name = read_or_write(f"{config.state_dir}/{OWNER}", config.name)
    if name != config.name:
        raise InputError(
            f"{config.state_dir}: belongs to the pipeline {name}; expected {config.name}: "
            f"choose another {'cloud.state_dir' if config.cloud.state_dir else 'pipeline_root'}"
        )
