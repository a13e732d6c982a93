"""The commands for an endpoint of Vertex AI: deploy, --promote, --rollback."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from common.errors import InputError
from components.vertex_endpoint.settings import EndpointSettings
from pipeline.options.settings import Setting


def deploy_served(settings: EndpointSettings, serving_dir: str) -> list[str]:
    """Deploys the newest model version in a serving directory, and returns lines for the console.

    Raises:
      InputError: the directory contains no model version, another program wrote the version, or
        Vertex AI refuses a request.
    """
    from components.model_pusher.push_records import read_records
    from components.model_pusher.serving_directory import newest_version
    from components.vertex_endpoint.deploy import deploy

    served = newest_version(serving_dir)
    if served is None:
        raise InputError(
            f"--endpoint {settings.endpoint}: {serving_dir} has no version; expected a version "
            "that a run of the pipeline pushed"
        )
    record = read_records(serving_dir).get(int(PurePosixPath(served).name))
    if record is None:
        raise InputError(
            f"--endpoint {settings.endpoint}: {served} has no record of a push; expected a version "
            "that a run of the pipeline pushed"
        )
    done = deploy(settings, served, record, even_withdrawn=True)
    return [
        f"deployed: {served} as version {done.version} of {settings.pipeline}",
        f"endpoint: {done.endpoint}: the version gets {done.traffic} % of the requests",
    ]


def promote_candidate(settings: EndpointSettings) -> list[str]:
    """Sends all requests of the endpoint to the candidate.

    Returns:
      Lines for the console.
    """
    from components.vertex_endpoint.deploy import promote

    done = promote(settings)
    return [
        f"promoted: version {done.version} of {settings.pipeline} is the default",
        f"endpoint: {done.endpoint}: the version gets all requests",
    ]


def roll_endpoint_back(settings: EndpointSettings) -> list[str]:
    """Withdraws the candidate or, without a candidate, the default version of the endpoint. The
    version that served before gets all requests.

    Returns:
      Lines for the console.
    """
    from components.vertex_endpoint.deploy import roll_back

    done = roll_back(settings)
    return [
        f"rolled back: version {done.version} of {settings.pipeline} is the default",
        f"endpoint: {done.endpoint}: the version gets all requests",
    ]


def is_about_endpoint(settings: Mapping[str, Setting], *, promote: bool, rollback: bool) -> bool:
    """Returns whether the command changes an endpoint of Vertex AI instead of starting a run."""
    if promote and "endpoint.name" not in settings:
        raise InputError("--promote: found no --endpoint; expected the endpoint of the candidate")
    return "endpoint.name" in settings and (promote or rollback or "model" not in settings)
