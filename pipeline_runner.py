"""The command line.

    python pipeline_runner.py --model vit_b16_fe
    python pipeline_runner.py --model path/or/url/or.npz --dataset path/to/class_folders
    python pipeline_runner.py --config run.yaml --set train.epochs=8
    python pipeline_runner.py --model vit_b16_fe --runner vertex --schedule "0 3 * * 1" …
    python pipeline_runner.py --runner vertex --list-schedules …
    python pipeline_runner.py --model vit_b16_fe --dataset path/to/images --write-schema FILE
    python pipeline_runner.py --dataset path/to/images --inspect
    python pipeline_runner.py --history
    python pipeline_runner.py --compare RUN RUN
    python pipeline_runner.py --name NAME --rollback
    python pipeline_runner.py --name NAME --endpoint E [--traffic 10] | --promote | --rollback …
    python pipeline_runner.py --version

Exit status: 0 if the command succeeded (a local run: if the model was pushed, or had been pushed
already), 1 if the pipeline failed, 2 for bad usage, 3 if the data or the model failed a check, 130
after Ctrl-C, 143 after SIGTERM. If a check failed, the last printed lines name the check.
"""

if __name__ == "__main__":  # signal handlers must be set before the slow imports below
    from common.termination import end_on_signals

    end_on_signals("pipeline_runner.py")

import argparse
import functools
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from common.errors import InputError, UnreachableError
from common.text import make_printable
from components.image_example_gen.sources.registry import make_source
from pipeline.command_line.cluster import ACTIONS, check_engine, manage, submit
from pipeline.command_line.endpoint import is_about_endpoint
from pipeline.command_line.exit_status import BAD_USAGE, DONE, FAILED, INTERRUPTED
from pipeline.command_line.inspect import check_inspect, inspect
from pipeline.command_line.logged_job import describe, new_log
from pipeline.command_line.parser import join_values, make_parser, read_settings
from pipeline.command_line.roots import clean_caches, compare_runs, show_history
from pipeline.command_line.run import run, write_schema
from pipeline.command_line.serve import serve_at_endpoint, serve_earlier_version
from pipeline.command_line.tables import list_datasets, list_models, list_options
from pipeline.locations import check_buckets, check_locations, check_written
from pipeline.options.build import build_config
from pipeline.options.devices import check_strategy
from pipeline.options.settings import Setting
from pipeline.reviewed_schema import check_write_schema, read_schema
from pipeline.root import claim_root, state_directory


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
    # An OSError means, for example, that a disk is full or that permission is denied.
    except OSError as error:
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
    given = read_settings(parsed)
    if instead := find_command(parsed, given):
        return instead(parsed)
    config = build_config(given, needs_model=not parsed.inspect)
    check_locations(config)
    if parsed.inspect:
        check_inspect(config, parsed.write_schema)
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
        if parsed.inspect:
            start = inspect
        return start(config, new_log(directory), record_owner)


def find_command(
    parsed: argparse.Namespace, given: Mapping[str, Setting]
) -> Callable[[argparse.Namespace], int] | None:
    """Returns the requested command; None if the arguments request a run."""
    is_rollback = parsed.rollback is not None
    if is_about_endpoint(given, promote=parsed.promote, rollback=is_rollback):
        return serve_at_endpoint
    if is_rollback:
        return serve_earlier_version
    for name, command in (
        ("clean_cache", clean_caches),
        ("history", show_history),
        ("compare", compare_runs),
    ):
        if getattr(parsed, name):
            return command
    return manage if any(getattr(parsed, action) for action in ACTIONS) else None


if __name__ == "__main__":
    sys.exit(main())
