"""Compiles, submits and schedules pipelines for a cluster, and manages schedules."""

import argparse
import datetime
import importlib
from types import ModuleType

from pipeline.command_line.exit_status import DONE, REFUSED
from pipeline.command_line.logged_job import new_log, run_with_log
from pipeline.command_line.parser import read_settings
from pipeline.command_line.run import print_plan
from pipeline.command_line.tables import make_table
from pipeline.options.build import (
    build_target,
)
from pipeline.options.cluster import check_output, check_submission, check_target, check_times
from pipeline.options.config import Config
from pipeline.options.defaults import RUNS
from pipeline.options.devices import check_strategy_of_step
from pipeline.options.schedule import check_schedule
from pipeline.report.console import Console
from pipeline.root import state_directory

ACTIONS = ("list_schedules", "pause_schedule", "resume_schedule", "delete_schedule")


def submit(config: Config) -> int:
    """Compiles the pipeline that `config` describes, and writes, submits or schedules it."""
    runner, cloud = config.run.runner, config.cloud
    if cloud.output:
        check_output(runner, cloud.output)
    else:
        check_submission(runner, cloud, config.pipeline_root)
    if cloud.schedule:
        check_schedule(cloud.schedule, runner)
        check_times(runner, cloud, datetime.datetime.now(datetime.UTC))
    # If `machine_type` is None, Trainer runs as a step of the pipeline, and this function checks
    # the strategy. If Trainer runs as a custom job, `build_config` has already checked the
    # strategy.
    if config.machines.trainer.machine_type is None:
        check_strategy_of_step(config.train.strategy)
    check_engine(config)

    def job(console: Console) -> int:
        print_plan(config, log, console)
        console.show_activity("loading TFX")
        return DONE if make_backend(runner).run(config, console) else REFUSED

    log = new_log(state_directory(config))
    return run_with_log(log, job, verbose=config.run.verbose)


def manage(parsed: argparse.Namespace) -> int:
    """Lists, pauses, resumes or deletes schedules."""
    runner, cloud = build_target(read_settings(parsed))
    check_target(runner, cloud)

    def job(console: Console) -> int:
        from pipeline.runners.backend import schedule_id

        backend = make_backend(runner).connect(cloud)
        for action, did in (("pause", "paused"), ("resume", "resumed"), ("delete", "deleted")):
            name = getattr(parsed, f"{action}_schedule")
            if name:
                getattr(backend, action)(schedule_id(backend, name))
                console.line(f"{did}: {name}", style="bold green")
        if parsed.list_schedules:
            rows = [("NAME", "STATE", "TIMES", "NEXT RUN", "ID")]
            rows += [(s.name, s.state, s.cron, s.next_run, s.id) for s in backend.schedules()]
            for line in make_table(rows).splitlines():
                console.line(line)
        return DONE

    return run_with_log(new_log(RUNS), job, verbose=parsed.__dict__["run.verbose"] or False)


def make_backend(runner: str) -> ModuleType:
    """Imports the module for `runner`, which is "kubeflow" or "vertex"."""
    return importlib.import_module(f"pipeline.runners.{runner}")


def check_engine(config: Config) -> None:
    """Checks the flags for Beam. Without flags for Beam, this function does not import Beam,
    because the import takes two seconds.
    """
    if config.run.beam_args:
        from pipeline.beam.flags import check_beam_flags

        check_beam_flags(config)
