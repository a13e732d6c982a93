"""The command `--inspect`: checks the images, writes an HTML report, and trains nothing."""

from collections.abc import Callable
from pathlib import Path

from common.errors import InputError
from common.heavy_imports import heavy_imports
from pipeline.command_line.exit_status import DONE, REFUSED
from pipeline.command_line.logged_job import run_with_log
from pipeline.command_line.run import find_inputs
from pipeline.options.config import Config
from pipeline.report.console import Console


def check_inspect(config: Config, schema_file: str | None) -> None:
    """Checks that `--inspect` can be used together with the other options.

    Args:
      config: the configuration.
      schema_file: the value of --write-schema.

    Raises:
      InputError: the runner is a cluster; `--write-schema` is given as well; or the model for
        `--data-check full` is missing.
    """
    if config.run.is_compiled:
        raise InputError(
            f"--inspect: has no effect with --runner {config.run.runner}; expected --runner local"
        )
    if schema_file is not None:
        raise InputError("--inspect: found --write-schema as well; expected only one of them")
    if config.data.check == "full" and not config.model:
        raise InputError(
            "--data-check full: needs the features of a model; give --model, or inspect the images "
            "with --data-check fast"
        )


def inspect(config: Config, log: Path, record_owner: Callable[[], None]) -> int:
    """Inspects the images that `config` describes, and writes a log to the file `log`.

    Args:
      config: the configuration, with or without a model.
      log: the path of the new log file.
      record_owner: the function from `pipeline.root.claim_root` that records this pipeline as the
        owner of the pipeline root.
    """

    def job(console: Console) -> int:
        console.plan_inspection(config, str(log))
        inputs = find_inputs(config, console, with_backbone=config.data.check == "full")
        record_owner()
        with heavy_imports():
            from pipeline.runners import local

        inspection = local.inspect(config, inputs, console)
        for line in inspection.found:
            console.line(line)
        for line in inspection.refusals:
            console.warn(f"a run would stop: {line}")
        console.keep_line(f"report: {inspection.page}")
        return REFUSED if inspection.refusals else DONE

    return run_with_log(log, job, verbose=config.run.verbose)
