"""Changes the served version of a model, in a serving directory or at a Vertex AI endpoint."""

import argparse

from common.errors import InputError
from pipeline.command_line.endpoint import (
    deploy_served,
    promote_candidate,
    roll_endpoint_back,
)
from pipeline.command_line.exit_status import DONE
from pipeline.command_line.logged_job import new_log, run_with_log
from pipeline.command_line.parser import read_settings
from pipeline.options.build import (
    build_endpoint,
    build_serving_dir,
)
from pipeline.options.defaults import RUNS
from pipeline.report.console import Console


def serve_earlier_version(parsed: argparse.Namespace) -> int:
    """Rolls a serving directory back to an earlier version of the model."""
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
    """Deploys, promotes or rolls back a model version at an endpoint of Vertex AI."""
    given = read_settings(parsed)
    if parsed.rollback:
        raise InputError(
            f"--rollback {parsed.rollback}: an endpoint can only go back to the previous version; "
            "expected --rollback without a version"
        )
    settings = build_endpoint(given)
    serving_dir = build_serving_dir(given)

    def job(console: Console) -> int:
        console.show_activity("asking Vertex AI")
        if parsed.promote:
            lines = promote_candidate(settings)
        elif parsed.rollback is not None:
            lines = roll_endpoint_back(settings)
        else:
            lines = deploy_served(settings, serving_dir)
        for line in lines:
            console.line(line)
        return DONE

    return run_with_log(new_log(RUNS), job, verbose=parsed.__dict__["run.verbose"] or False)
