"""Deploys pushed models to an endpoint, promotes candidates, and rolls back.

Each of the functions `deploy`, `promote` and `roll_back` reads the state of Vertex AI, and does
only the steps that are still missing, so the user can repeat a command that failed. After a
promotion, the previously served version stays deployed without requests, so that a rollback takes
effect at once; older versions are removed from the endpoint.
"""

import dataclasses
from collections.abc import Mapping

from common.errors import InputError
from common.text import make_printable
from components.model_pusher.push_records import PushRecord
from components.vertex_endpoint.client import connect
from components.vertex_endpoint.endpoint import Deployed, Endpoint
from components.vertex_endpoint.registry import (
    CANDIDATE,
    DEFAULT,
    PREVIOUS,
    WITHDRAWN,
    ModelVersion,
    Registry,
    find,
)
from components.vertex_endpoint.settings import EndpointSettings
from components.vertex_endpoint.stage import stage_version


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The result of `deploy`, `promote` or `roll_back`.

    Attributes:
      endpoint: the resource name of the endpoint.
      version: the id of the version in the model registry.
      traffic: the percentage of requests that this version gets.
      reason: the reason why nothing was deployed; empty if the version is deployed.
    """

    endpoint: str
    version: str
    traffic: int
    reason: str = ""


def deploy(
    settings: EndpointSettings, version: str, record: PushRecord, *, even_withdrawn: bool
) -> Outcome:
    """Registers a pushed version and deploys it, as the candidate, to a new or existing endpoint.

    If no model is deployed to the endpoint yet, the version does not become a candidate, but gets
    all requests and the alias `default`.

    Args:
      settings: the settings of the endpoint.
      version: the directory of the pushed version, in a bucket.
      record: the record of the pushed version, which Pusher wrote.
      even_withdrawn: whether to deploy a model that an earlier rollback withdrew.

    Raises:
      InputError: Vertex AI refuses a request. After this error, the endpoint still serves the
        version that it served before the call.
    """
    if not settings.container:
        raise InputError(
            "endpoint.container is missing; expected the image of TensorFlow Serving in Artifact "
            "Registry, such as europe-west4-docker.pkg.dev/PROJECT/vit/tensorflow-serving:2.19.1"
        )
    sdk = connect(settings)
    registry = Registry(sdk, settings)
    endpoint = Endpoint.find(sdk, settings)
    known = next((v for v in registry.list_versions() if v.identity == record.identity), None)
    if known and WITHDRAWN in known.aliases:
        if not even_withdrawn:
            return Outcome(
                endpoint.name if endpoint else settings.endpoint,
                known.id,
                0,
                f"not deployed: this model is version {known.id} of {settings.pipeline} in Vertex "
                "AI's registry and was withdrawn by a rollback; train another model, or deploy it "
                f"again by --name {settings.pipeline} --endpoint {settings.endpoint}",
            )
        registry.remove_alias(WITHDRAWN, known.id)
    if known is None:
        uploaded = registry.upload(
            artifact_uri=stage_version(version),
            identity=record.identity,
            source=version,
            labels=make_labels(settings, record),
        )
    else:
        uploaded = known.id
    endpoint = endpoint or Endpoint.create(sdk, settings)
    versions = registry.list_versions()
    deployed = endpoint.list_deployed()
    serving = _find_serving(deployed, registry, versions)
    if serving is None or serving.version == uploaded:
        _Traffic(endpoint, registry, settings).set_share(uploaded, 100)
        registry.move_alias(DEFAULT, uploaded)
        if known and CANDIDATE in known.aliases:
            registry.remove_alias(CANDIDATE, uploaded)
        return Outcome(endpoint.name, uploaded, 100)
    registry.move_alias(CANDIDATE, uploaded)
    share = settings.traffic
    _Traffic(endpoint, registry, settings).set_share(uploaded, share, {serving.id: 100 - share})
    _remove_unused_versions(endpoint, registry)
    return Outcome(endpoint.name, uploaded, share)


def promote(settings: EndpointSettings) -> Outcome:
    """Gives the candidate all requests and the alias `default`.

    Raises:
      InputError: there is no candidate, or Vertex AI refuses a request.
    """
    registry, endpoint = _open(settings)
    versions = registry.list_versions()
    candidate, default = find(versions, CANDIDATE), find(versions, DEFAULT)
    if candidate is None:
        raise InputError(
            f"--promote: {settings.pipeline} has no candidate in Vertex AI's registry; found "
            f"{_describe(versions)}; deploy a candidate with --endpoint {settings.endpoint} first"
        )
    # The alias `candidate` is removed last, so that after an error, the same command still finds
    # the candidate.
    _Traffic(endpoint, registry, settings).set_share(candidate.id, 100)
    if default and default.id != candidate.id:
        registry.move_alias(PREVIOUS, default.id)
    registry.move_alias(DEFAULT, candidate.id)
    _remove_unused_versions(endpoint, registry)
    registry.remove_alias(CANDIDATE, candidate.id)
    return Outcome(endpoint.name, candidate.id, 100)


def roll_back(settings: EndpointSettings) -> Outcome:
    """Rolls the endpoint back to the version that served before.

    If there is a candidate, `roll_back` withdraws the candidate, and the version with the alias
    `default` gets all requests. If there is no candidate, `roll_back` withdraws the version with
    the alias `default`, and the version with the alias `previous` gets all requests. A withdrawn
    version gets the alias `withdrawn`, and is removed from the endpoint.

    Raises:
      InputError: no earlier version is left to serve, or Vertex AI refuses a request.
    """
    registry, endpoint = _open(settings)
    versions = registry.list_versions()
    candidate, default, previous = (find(versions, a) for a in (CANDIDATE, DEFAULT, PREVIOUS))
    bad, good = (candidate, default) if candidate else (default, previous)
    # The aliases determine which version is withdrawn, so they are moved last: if this rollback
    # fails, the next rollback finds the same aliases and withdraws the same version. If one version
    # has both `default` and `previous`, an earlier rollback failed at its last step, which removes
    # the alias `previous`.
    if default and previous and default.id == previous.id and not candidate:
        registry.remove_alias(PREVIOUS, default.id)
        return Outcome(endpoint.name, default.id, 100)
    if bad is None or good is None:
        raise InputError(
            f"--rollback: {settings.pipeline} has no earlier version to roll back to; found "
            f"{_describe(versions)}; deploy another model with --endpoint {settings.endpoint}"
        )
    _Traffic(endpoint, registry, settings).set_share(good.id, 100)
    for deployed in endpoint.list_deployed():
        if _is_version(deployed, registry, bad.id):
            endpoint.undeploy(deployed)
    registry.move_alias(WITHDRAWN, bad.id)
    if candidate:
        registry.remove_alias(CANDIDATE, bad.id)
    else:
        registry.move_alias(DEFAULT, good.id)
        registry.remove_alias(PREVIOUS, good.id)
    return Outcome(endpoint.name, good.id, 100)


def make_labels(settings: EndpointSettings, record: PushRecord) -> dict[str, str]:
    """Makes the labels of a version in the model registry.

    Labels cannot contain dots, so an accuracy of 0.9614 is written as 0_9614.
    """
    found = {"pipeline": settings.pipeline, "run": record.run}
    if record.accuracy is not None:
        found["accuracy"] = f"{record.accuracy:.4f}"
    return dict(settings.labels) | {key: make_label(value) for key, value in found.items() if value}


def make_label(text: str) -> str:
    """Converts a text to a valid label value: at most 63 characters of a-z, 0-9, _ and -."""
    return "".join(c if c.isascii() and (c.isalnum() or c == "-") else "_" for c in text.lower())[
        :63
    ]


def _open(settings: EndpointSettings) -> tuple[Registry, Endpoint]:
    sdk = connect(settings)
    registry = Registry(sdk, settings)
    endpoint = Endpoint.find(sdk, settings)
    if endpoint is None:
        raise InputError(
            f"--endpoint {make_printable(settings.endpoint)}: there is no such endpoint in "
            f"{settings.project}, {settings.region}; deploy a model to it first, without --promote "
            "or --rollback"
        )
    return registry, endpoint


@dataclasses.dataclass(frozen=True)
class _Traffic:
    endpoint: Endpoint
    registry: Registry
    settings: EndpointSettings

    def set_share(self, version: str, share: int, others: Mapping[str, int] | None = None) -> None:
        """Sets the percentage of requests that a version gets, and deploys the version if
        necessary.

        Args:
          version: the id of the version in the registry.
          share: the percentage of requests for this version.
          others: the percentages for other deployed models, by their ids.
        """
        rest = {name: other for name, other in (others or {}).items() if other}
        deployed = self.endpoint.list_deployed()
        existing = next((d for d in deployed if _is_version(d, self.registry, version)), None)
        if existing is None:
            model = self.registry.model(version)
            self.endpoint.deploy(model, rest | {"0": share}, self.settings)
            return
        wanted = rest | ({existing.id: share} if share else {})
        if {d.id: d.traffic for d in deployed if d.traffic} != wanted:
            self.endpoint.split(wanted)


def _remove_unused_versions(endpoint: Endpoint, registry: Registry) -> None:
    """Removes from the endpoint each version of the pipeline's model that gets no requests and has
    none of the aliases `candidate`, `default` and `previous`.
    """
    kept = {
        version.id
        for version in registry.list_versions()
        if version.aliases & {CANDIDATE, DEFAULT, PREVIOUS}
    }
    for deployed in endpoint.list_deployed():
        is_ours = deployed.model.partition("@")[0].endswith(_without_project(registry.resource))
        if is_ours and deployed.version not in kept and not deployed.traffic:
            endpoint.undeploy(deployed)


def _find_serving(
    deployed: list[Deployed], registry: Registry, versions: list[ModelVersion]
) -> Deployed | None:
    """Returns the deployed model that serves clients; None if no model is deployed.

    If the model with the alias `default` is deployed and gets requests, the function returns this
    model. If not, the function returns the deployed model that gets the most requests.
    """
    default = find(versions, DEFAULT)
    for model in deployed:
        if default and _is_version(model, registry, default.id) and model.traffic:
            return model
    return max(deployed, key=lambda model: model.traffic, default=None)


def _is_version(deployed: Deployed, registry: Registry, version: str) -> bool:
    is_model = deployed.model.partition("@")[0].endswith(_without_project(registry.resource))
    return is_model and deployed.version == version


def _without_project(resource: str) -> str:
    """Returns a resource name without the project, because some names contain the project's name,
    and others contain its number.
    """
    return resource[resource.index("/locations/") :]


def _describe(versions: list[ModelVersion]) -> str:
    texts = [f"version {v.id} ({', '.join(sorted(v.aliases)) or 'no alias'})" for v in versions]
    return ", ".join(texts) or "no version"
