"""A stand-in for Vertex AI's model registry and endpoints, on loopback.

The stand-in parses requests with Google's own protos, and follows the rules in the API reference of
Vertex AI. The first version of a model gets the alias `default`, which cannot be removed. An alias
names one version at a time. The shares of an endpoint's traffic add up to 100. A deployed model
that gets traffic cannot be undeployed.
"""

import json
import re
from contextlib import contextmanager
from urllib.parse import unquote

from google.cloud.aiplatform_v1.types import DeployModelRequest, Endpoint, UploadModelRequest

from tests.account import write_account
from tests.pipeline.runners.server import Api, ApiError, serving

PLACE = "/v1/projects/(?:p|123)/locations/europe-west4"
_MODELS, _ENDPOINTS = f"{PLACE}/models", f"{PLACE}/endpoints"
# responses contain the project's number instead of its id
_NUMBER = "projects/123/locations/europe-west4"


class VertexModels(Api):
    """An in-memory stand-in for Vertex AI's services for models and endpoints.

    Attributes:
      versions: the versions of the model by id.
      endpoints: the endpoints by id.
    """

    ROUTES = (
        ("POST", "/token", "token"),
        ("POST", f"{_MODELS}:upload", "upload"),
        ("GET", rf"{_MODELS}/([a-z][a-z0-9_-]*):listVersions", "list_versions"),
        ("GET", rf"{_MODELS}/([a-z][a-z0-9_-]*)(?:@(\w+))?", "get_model"),
        ("POST", rf"{_MODELS}/[a-z-]+@(\w+):mergeVersionAliases", "merge"),
        ("GET", _ENDPOINTS, "list_endpoints"),
        ("POST", _ENDPOINTS, "create_endpoint"),
        ("GET", rf"{_ENDPOINTS}/(\d+)", "get_endpoint"),
        ("PATCH", rf"{_ENDPOINTS}/(\d+)", "update_endpoint"),
        ("POST", rf"{_ENDPOINTS}/(\d+):deployModel", "deploy"),
        ("POST", rf"{_ENDPOINTS}/(\d+):undeployModel", "undeploy"),
    )

    def __init__(self):
        super().__init__()
        self.versions, self.endpoints = {}, {}
        self._deployed = 0

    def check(self, request):
        request.path = unquote(request.path)
        header = request.headers.get("authorization", "")
        if request.path.startswith("/v1/") and not header.startswith("Bearer "):
            raise ApiError(401, "Request is missing required authentication credential.")

    def error(self, status, message):
        return {"error": {"code": status, "message": message, "status": "ERROR"}}

    def token(self, request):
        return {"access_token": "token", "expires_in": 3600, "token_type": "Bearer"}

    def aliases(self):
        """Returns the id of the version for each alias."""
        return {alias: id for id, v in self.versions.items() for alias in v["versionAliases"]}

    def traffic(self):
        """Returns the traffic of each version at the only endpoint, in percent."""
        (endpoint,) = self.endpoints.values()
        split = endpoint.get("trafficSplit", {})
        return {m["modelVersionId"]: split.get(m["id"], 0) for m in endpoint["deployedModels"]}

    def upload(self, request):
        UploadModelRequest.from_json(request.body)
        content, model = request.json, request.json["model"]
        parent = content.get("parentModel", "").rpartition("/")[2]
        name = parent or content["modelId"]
        if parent and not self.versions:
            raise ApiError(404, f"{parent} not found")
        if not parent and self.versions:
            raise ApiError(409, f"{name} exists")
        if not model["artifactUri"].startswith("gs://"):
            raise ApiError(400, "artifactUri: expected gs://")
        if not re.match(r"[a-z0-9-]+-docker\.pkg\.dev/", model["containerSpec"]["imageUri"]):
            raise ApiError(400, "imageUri: expected an image in Artifact Registry")
        for key, value in model.get("labels", {}).items():
            if not re.fullmatch("[a-z][a-z0-9_-]{0,62}=[a-z0-9_-]{0,63}", f"{key}={value}"):
                raise ApiError(400, f"invalid label {key}={value}")
        id = str(len(self.versions) + 1)
        self.versions[id] = model | {
            "name": f"{_NUMBER}/models/{name}",
            "versionId": id,
            "versionAliases": [*model.get("versionAliases", []), *(["default"] * (not parent))],
            "supportedDeploymentResourcesTypes": ["DEDICATED_RESOURCES"],
        }
        return self._done(
            "UploadModelResponse", model=f"{_NUMBER}/models/{name}", modelVersionId=id
        )

    def list_versions(self, request, name):
        if not self.versions:
            raise ApiError(404, f"{name} not found")
        return {"models": list(self.versions.values())}

    def get_model(self, request, name, version):
        if version is None:
            version = self.aliases().get("default")
        if version not in self.versions:
            raise ApiError(404, f"{name}@{version} not found")
        return self.versions[version]

    def merge(self, request, version):
        for alias in request.json["versionAliases"]:
            name, owner = alias.removeprefix("-"), self.aliases().get(alias.removeprefix("-"))
            if alias.startswith("-"):
                if name == "default" or owner != version:
                    raise ApiError(400, f"the alias {name} cannot be removed from {version}")
                self.versions[version]["versionAliases"].remove(name)
            else:
                if owner and name != "default":
                    raise ApiError(400, f"the alias {name} belongs to version {owner}")
                if owner:
                    self.versions[owner]["versionAliases"].remove(name)
                self.versions[version]["versionAliases"].append(name)
        return self.versions[version]

    def list_endpoints(self, request):
        return {"endpoints": list(self.endpoints.values())}

    def create_endpoint(self, request):
        Endpoint.from_json(request.body)
        id = str(5000 + len(self.endpoints))
        self.endpoints[id] = request.json | {
            "name": f"{_NUMBER}/endpoints/{id}",
            "deployedModels": [],
        }
        return self._done("Endpoint", **self.endpoints[id])

    def get_endpoint(self, request, id):
        if id not in self.endpoints:
            raise ApiError(404, f"endpoint {id} not found")
        return self.endpoints[id]

    def update_endpoint(self, request, id):
        assert request.query["updateMask"] == "trafficSplit"
        self._split(self.endpoints[id], request.json["trafficSplit"])
        return self.endpoints[id]

    def deploy(self, request, id):
        DeployModelRequest.from_json(request.body)
        endpoint, content = self.endpoints[id], request.json
        name, _, version = content["deployedModel"]["model"].partition("@")
        if version not in self.versions or not name.endswith("/flowers"):
            raise ApiError(404, f"{name}@{version} not found")
        self._deployed += 1
        new = str(9000 + self._deployed)
        split = content["trafficSplit"]
        deployed = content["deployedModel"] | {"id": new, "model": name, "modelVersionId": version}
        endpoint["deployedModels"].append(deployed)
        self._split(endpoint, {new if key == "0" else key: share for key, share in split.items()})
        return self._done("DeployModelResponse", deployedModel=deployed)

    def undeploy(self, request, id):
        endpoint, gone = self.endpoints[id], request.json["deployedModelId"]
        if endpoint["trafficSplit"].get(gone):
            raise ApiError(400, f"cannot undeploy {gone}, because it gets traffic")
        endpoint["deployedModels"] = [m for m in endpoint["deployedModels"] if m["id"] != gone]
        return self._done("UndeployModelResponse")

    def _split(self, endpoint, split):
        known = {model["id"] for model in endpoint["deployedModels"]}
        if not set(split) <= known or sum(split.values()) != 100:
            raise ApiError(400, f"the traffic split {json.dumps(split)} does not add up to 100")
        endpoint["trafficSplit"] = {key: share for key, share in split.items() if share}

    def _done(self, message, **response):
        kind = f"type.googleapis.com/google.cloud.aiplatform.v1.{message}"
        operation = f"{_NUMBER}/operations/1"
        return {"name": operation, "done": True, "response": {"@type": kind, **response}}


@contextmanager
def serve_vertex_models(monkeypatch, folder):
    """Runs the stand-in, and sets the credentials with which Google's clients call it.

    A mock replaces the function that copies a model to a bucket; the mock only returns a gs:// URI.
    """
    with serving(VertexModels()) as server:
        account = write_account(folder, token_uri=f"{server.url}/token")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(
            "components.vertex_endpoint.deploy.stage_version",
            lambda version: f"gs://bucket/{version.rpartition('/')[2]}",
        )
        yield server
