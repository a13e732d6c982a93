"""Reads properties of a run's artifacts through the dashboard of Kubeflow Pipelines.

The API of Kubeflow Pipelines reports whether a run succeeded, but no properties of its artifacts.
ML Metadata stores the properties of artifacts. This module sends gRPC-Web requests for ML Metadata
to the dashboard's server, as the dashboard's web pages do. These files of kubeflow/pipelines, at
the releases 2.14.3 and 2.17.0, show how the properties are stored and how requests reach ML
Metadata:

- frontend/server/app.ts, `/ml_metadata.*`: the server forwards requests to the Envoy proxy.
- third_party/metadata_envoy/envoy.yaml: Envoy forwards the requests to ML Metadata.
- backend/src/v2/metadata/client.go, GetPipeline and PublishExecution: ML Metadata stores a run as a
  context of the type `system.PipelineRun`, with the run's id as the name. In ML Metadata, the
  context of a run contains all artifacts that the run's executions wrote.
- backend/src/v2/metadata/converter.go, toMLMDArtifact: ML Metadata stores all artifact properties
  as custom properties.

This module imports neither TensorFlow nor TFX, because importing either of them takes seconds.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import message
from ml_metadata.proto import metadata_store_service_pb2 as service

CONTENT_TYPE = "application/grpc-web+proto"
_CONTEXT_TYPE = "system.PipelineRun"
_TRAILERS = 0x80  # bit that marks the frame with gRPC's trailers, which contain the status
_EXPECTED = (
    "expected the dashboard's URL, and in cloud.token_file a token that the dashboard accepts"
)

# A function that sends a POST request to the dashboard. A `Post` function takes the path and the
# body of the request, and returns the headers (with names in lower case) and the body of the
# response.
Post = Callable[[str, bytes], tuple[Mapping[str, str], bytes]]


def read_properties(post: Post, run: str, output: str) -> dict[str, Any] | None:
    """Reads the properties of an artifact.

    Args:
      post: the function that sends a request.
      run: the id of the run.
      output: the output that the artifact belongs to, in the form NODE/OUTPUT, such as
        `Pusher/pushed_model`.

    Returns:
      A dict from names of properties to numbers or strings; None if the run has no such artifact.

    Raises:
      ValueError: the response is not from ML Metadata, or reports an error of ML Metadata.
    """
    context = service.GetContextByTypeAndNameResponse()
    request = service.GetContextByTypeAndNameRequest(type_name=_CONTEXT_TYPE, context_name=run)
    _call(post, "GetContextByTypeAndName", request, context)
    found = service.GetArtifactsByContextResponse()
    of_run = service.GetArtifactsByContextRequest(context_id=context.context.id)
    if context.HasField("context"):
        _call(post, "GetArtifactsByContext", of_run, found)
    node, name = output.split("/")
    # If several artifacts match, return the newest artifact, which has the highest id.
    for artifact in sorted(found.artifacts, key=lambda artifact: -artifact.id):
        # An artifact's URI ends with NODE/RANDOM/OUTPUT, where RANDOM is a random name that the
        # driver chooses (backend/src/v2/driver/driver.go, provisionOutputs).
        parts = artifact.uri.split("/")
        if (parts[-3:-2], parts[-1]) == ([node], name):
            return {
                key: getattr(value, value.WhichOneof("value"))
                for key, value in artifact.custom_properties.items()
            }
    return None


def _call(post: Post, method: str, request: message.Message, response: message.Message) -> None:
    """Calls a method of ML Metadata, and parses its result into `response`."""
    content = request.SerializeToString()
    headers, body = post(
        f"/ml_metadata.MetadataStoreService/{method}", struct.pack(">BI", 0, len(content)) + content
    )
    data, trailers = _read_frames(headers, body)
    if trailers["grpc-status"] != "0":
        raise ValueError(
            f"ML Metadata: error {trailers['grpc-status']}: {trailers.get('grpc-message', '')}"
        )
    try:
        response.ParseFromString(data)
    except message.DecodeError as error:
        raise ValueError(f"the response is not from ML Metadata ({error}); {_EXPECTED}") from error


def _read_frames(headers: Mapping[str, str], body: bytes) -> tuple[bytes, dict[str, str]]:
    """Returns the message in the response to a gRPC-Web request, and gRPC's trailers.

    github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md describes the frames. In a response without
    a message, the HTTP headers contain gRPC's trailers.
    """
    data, trailers = b"", dict(headers)
    while len(body) >= 5:
        flag, length = struct.unpack(">BI", body[:5])
        content, body = body[5 : 5 + length], body[5 + length :]
        if len(content) < length:
            break
        if flag & _TRAILERS:
            lines = content.decode(errors="replace").split("\r\n")
            trailers |= {key.lower(): value.strip() for key, _, value in map(_split, lines)}
        else:
            data += content
    if "grpc-status" not in trailers:
        raise ValueError(f"the response is not from ML Metadata; {_EXPECTED}")
    return data, trailers


def _split(line: str) -> tuple[str, str, str]:
    return line.partition(":")
