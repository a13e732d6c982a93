"""The command line.

    python pipeline_runner.py --model vit_b16_fe
    python pipeline_runner.py --model path/or/url/or.npz --dataset path/to/class_folders
    python pipeline_runner.py --config run.yaml --set train.epochs=8
    python pipeline_runner.py --model vit_b16_fe --runner vertex --schedule "0 3 * * 1" …
    python pipeline_runner.py --runner vertex --list-schedules …
    python pipeline_runner.py --model vit_b16_fe --dataset path/to/images --write-schema FILE
    python pipeline_runner.py --history
    python pipeline_runner.py --name NAME --rollback
    python pipeline_runner.py --name NAME --endpoint E [--traffic 10] | --promote | --rollback …
    python pipeline_runner.py --version

Exit status: 0 pushed (or pushed already; compiled, submitted, scheduled), 1 the pipeline failed,
2 bad usage, 3 a check of the data or of the model failed (the last lines name it), 130 interrupted,
143 terminated.
"""

if __name__ == "__main__":  # before the imports, which take a while
    from common.termination import end_on_signals

    end_on_signals("pipeline_runner.py")

import argparse
import datetime
import functools
import importlib
import importlib.metadata
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from backbones.reference import parse_model
from backbones.resolve import cache_dir
from common.errors import InputError, RefusedError, UnreachableError
from common.files import write_whole
from common.text import make_printable
from components.image_example_gen.sources.registry import make_source
from components.image_example_gen.sources.similar_names import similar_names
from pipeline.batch import fit_batch
from pipeline.clean import clean
from pipeline.command_line.endpoint import (
    deploy_served,
    is_about_endpoint,
    promote_candidate,
    roll_endpoint_back,
)
from pipeline.command_line.history import list_history
from pipeline.command_line.parser import join_values, make_parser, read_settings
from pipeline.command_line.tables import list_datasets, list_models, list_options, make_table
from pipeline.locations import check_buckets, check_locations, check_written
from pipeline.metadata_store import check_metadata
from pipeline.options.build import (
    build_config,
    build_endpoint,
    build_serving_dir,
    build_target,
)
from pipeline.options.cluster import check_output, check_submission, check_target, check_times
from pipeline.options.config import Config
from pipeline.options.devices import check_strategy, check_strategy_of_step
from pipeline.options.schedule import check_schedule
from pipeline.report.console import Console
from pipeline.report.logs import log_to_file
from pipeline.reviewed_schema import check_write_schema, read_schema
from pipeline.root import claim_root, state_directory

if TYPE_CHECKING:
    from pipeline.inputs import Inputs

PUSHED, FAILED, BAD_USAGE, REFUSED, INTERRUPTED = 0, 1, 2, 3, 130
DONE = PUSHED  # the status after a command that pushes nothing, such as compiling
ACTIONS = ("list_schedules", "pause_schedule", "resume_schedule", "delete_schedule")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    try:
        arguments = sys.argv[1:] if arguments is None else arguments
        return do(make_parser().parse_args(list(join_values(arguments))))
    except InputError as error:
        print(f"pipeline_runner.py: {error}", file=sys.stderr)
        return BAD_USAGE
    except UnreachableError as error:
        print(f"pipeline_runner.py: {make_printable(str(error))}", file=sys.stderr)
        return FAILED
    except OSError as error:  # for example a full disk, or a directory without permission
        print(f"pipeline_runner.py: {make_printable(describe(error))}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt as interrupt:
        why = f": {interrupt}" if str(interrupt) else ""
        print(f"pipeline_runner.py: interrupted{why}", file=sys.stderr)
        return INTERRUPTED


def do(parsed: argparse.Namespace) -> int:
    """Runs the command that the arguments describe; returns the exit status."""
    for make_list in (list_models, list_datasets, list_options):
        if getattr(parsed, make_list.__name__):
            print(make_list())
            return DONE
    if instead := find_command(parsed):
        return instead(parsed)
    config = build_config(read_settings(parsed))
    check_locations(config)
    if parsed.write_schema is not None:
        check_write_schema(parsed.write_schema, config)
    if config.run.is_compiled:
        return submit(config)
    check_strategy(config.train.strategy, os.environ)
    check_written(config)
    make_source(config.source).check()
    if config.schema and "://" not in config.schema:
        read_schema(config.schema)
    check_engine(config)
    check_buckets(config)
    directory = state_directory(config)
    with claim_root(directory, config) as record_owner:
        path = parsed.write_schema
        start = run if path is None else functools.partial(write_schema, path)
        return start(config, new_log(directory), record_owner)


def find_command(parsed: argparse.Namespace) -> Callable[[argparse.Namespace], int] | None:
    """Returns the command that the arguments ask for instead of a run; None for a run."""
    if is_about_endpoint(
        read_settings(parsed), promote=parsed.promote, rollback=parsed.rollback is not None
    ):
        return serve_at_endpoint
    if parsed.rollback is not None:
        return serve_earlier_version
    for name, command in (("clean_cache", clean_caches), ("history", show_history)):
        if getattr(parsed, name):
            return command
    return manage if any(getattr(parsed, action) for action in ACTIONS) else None


def clean_caches(parsed: argparse.Namespace) -> int:
    """Empties the cache of models and removes checkpoints, of `./runs` or of a given root."""
    lines = list(clean(cache_dir(), find_roots(parsed))) or ["nothing to remove"]
    print("\n".join(lines))
    return DONE


def show_history(parsed: argparse.Namespace) -> int:
    """Prints the runs of pipelines on this machine."""
    print(list_history(find_roots(parsed)))
    return DONE


def find_roots(parsed: argparse.Namespace) -> list[Path]:
    """Returns the pipeline roots on this machine that the arguments name; all without arguments."""
    root = parsed.pipeline_root
    if root and "://" in root:
        action = "--history reads" if parsed.history else "--clean-cache cleans"
        raise InputError(
            f"--pipeline-root {root}: {action} places on this machine; expected a path"
        )
    if root:
        return [Path(root).expanduser()]
    return sorted(
        Path("runs").resolve().glob(parsed.name if parsed.history and parsed.name else "*")
    )


def submit(config: Config) -> int:
    """Compiles the pipeline that `config` describes; writes, submits or schedules it."""
    runner, cloud = config.run.runner, config.cloud
    if cloud.output:
        check_output(runner, cloud.output)
    else:
        check_submission(runner, cloud, config.pipeline_root)
    if cloud.schedule:
        check_schedule(cloud.schedule, runner)
        check_times(runner, cloud, datetime.datetime.now(datetime.UTC))
    if config.machines.trainer.machine_type is None:  # otherwise `build_config` has checked it
        check_strategy_of_step(config.train.strategy)
    check_engine(config)

    def job(console: Console) -> int:
        announce(config, log, console)
        console.busy("loading TFX")
        return DONE if make_backend(runner).run(config, console) else REFUSED

    log = new_log(state_directory(config))
    return run_with_log(log, job, verbose=config.run.verbose)


def check_engine(config: Config) -> None:
    """Checks the flags for Beam; if there are none, Beam is not imported."""
    if config.run.beam_args:
        from pipeline.beam.flags import check_beam_flags

        check_beam_flags(config)


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

    return run_with_log(new_log(Path("runs")), job, verbose=parsed.__dict__["run.verbose"] or False)


def serve_earlier_version(parsed: argparse.Namespace) -> int:
    """Serves an earlier version of a pipeline's model again."""
    version = parsed.rollback or None
    if version and not (version.isascii() and version.isdecimal()):
        raise InputError(f"--rollback {version}: expected the number of a version")
    base_directory = build_serving_dir(read_settings(parsed))
    from components.model_pusher.rollback import roll_back

    done = roll_back(base_directory, int(version) if version else None)
    print(f"version {done.withdrawn} is withdrawn: a run does not push that model again")
    print(f"served now: {done.served}, a copy of version {done.copy_of}")
    return DONE


def serve_at_endpoint(parsed: argparse.Namespace) -> int:
    """Deploys, promotes or rolls back a version at an endpoint of Vertex AI."""
    given = read_settings(parsed)
    if parsed.rollback:
        raise InputError(
            f"--rollback {parsed.rollback}: an endpoint goes back to the version that served "
            "before; expected --rollback without a version"
        )
    settings = build_endpoint(given)
    serving_dir = build_serving_dir(given)

    def job(console: Console) -> int:
        console.busy("asking Vertex AI")
        if parsed.promote:
            lines = promote_candidate(settings)
        elif parsed.rollback is not None:
            lines = roll_endpoint_back(settings)
        else:
            lines = deploy_served(settings, serving_dir)
        for line in lines:
            console.line(line)
        return DONE

    return run_with_log(new_log(Path("runs")), job, verbose=parsed.__dict__["run.verbose"] or False)


def make_backend(runner: str) -> ModuleType:
    """Imports the module of a runner that has a cluster."""
    return importlib.import_module(f"pipeline.runners.{runner}")


def new_log(directory: Path) -> Path:
    """Returns the path of a new file for the log lines of this command."""
    return directory / "logs" / time.strftime("%Y-%m-%dT%H-%M-%S.log")


def run(config: Config, log: Path, record_owner: Callable[[], None]) -> int:
    """Runs the pipeline that `config` describes, logging to the file `log`.

    Args:
      config: the configuration.
      log: a new file.
      record_owner: the function that `pipeline.root.claim_root` yielded.
    """

    def job(console: Console) -> int:
        inputs = find_inputs(config, log, console)
        fitted = fit_batch(config, inputs.found.train_images)
        console.fitted(config, fitted)
        record_owner()
        from pipeline.runners import local

        report = local.run(fitted, inputs, console)
        console.summary(report)
        return PUSHED if report.pushed_to else REFUSED

    return run_with_log(log, job, verbose=config.run.verbose)


def write_schema(path: str, config: Config, log: Path, record_owner: Callable[[], None]) -> int:
    """Runs the pipeline up to SchemaGen, and writes the inferred schema.

    Args:
      path: path of the schema's file, which is replaced if it exists.
      config: the configuration.
      log: a new file.
      record_owner: the function that `pipeline.root.claim_root` yielded.
    """

    def job(console: Console) -> int:
        inputs = find_inputs(config, log, console)
        record_owner()
        from pipeline.runners import local

        write_whole(path, local.infer_schema(config, inputs, console))
        console.line(f"schema: {path}: review it, and give it with --schema", style="bold green")
        return DONE

    return run_with_log(log, job, verbose=config.run.verbose)


def find_inputs(config: Config, log: Path, console: Console) -> "Inputs":
    """Loads TFX, finds data and model, and prints what was found."""
    announce(config, log, console)
    check_metadata(state_directory(config))
    console.busy("loading TensorFlow and TFX")
    from pipeline.inputs import resolve_inputs

    console.busy("looking at data and model")
    with console.downloads():
        inputs = resolve_inputs(config)
    console.found(inputs.found)
    inputs.found.check()
    warn_of_similar_names(inputs.classes, console)
    return inputs


def announce(config: Config, log: Path, console: Console) -> None:
    """Prints the plan of the run, and warnings about the model."""
    console.plan(config, str(log))
    reference = parse_model(config.model)
    if reference.is_untrained(config.weights):
        console.warn("The model is UNTRAINED: its weights are random.")
    if config.train.precision != "float32" and reference.keeps_its_graph:
        console.warn("--precision has no effect: the graph of this SavedModel computes in float32.")


def warn_of_similar_names(classes: Iterable[str], console: Console) -> None:
    """Warns of classes that may be one class under several names."""
    for names in similar_names(classes):
        console.warn(
            f"The classes {' and '.join(map(ascii, names))} differ only in upper and lower case or "
            "in Unicode normalisation: if they are one class, give it one name."
        )


def run_with_log(log: Path, job: Callable[[Console], int], *, verbose: bool) -> int:
    """Runs `job`, with all output of libraries in the file `log`.

    Returns:
      The exit status of `job`; FAILED if it raises an exception.
    """
    with log_to_file(log, verbose=verbose) as screen:
        console = Console(*screen)
        try:
            with console.live():
                return job(console)
        except RefusedError as error:
            logging.getLogger(__name__).info("A check failed.", exc_info=True)
            console.error(f"verdict: {error}")
            console.line("pushed to: nothing was pushed")
            return REFUSED
        except InputError as error:
            logging.getLogger(__name__).info("The pipeline failed.", exc_info=True)
            console.error(f"pipeline_runner.py: {error}")
            return FAILED
        except Exception as error:
            # With --verbose, the traceback goes to the screen as well.
            logging.getLogger(__name__).exception("The pipeline failed.")
            console.error(describe(error))
            console.error(f"log: {log}")
            return FAILED


def describe(error: Exception) -> str:
    """Describes an unexpected error in one line: the last line, if it is a traceback from Beam."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["no message"]
    line = lines[-1] if lines[0].startswith("Traceback") else lines[0]
    return f"{type(error).__name__}: {line}"


if __name__ == "__main__":
    sys.exit(main())
