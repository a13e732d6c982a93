"""A stand-in for TensorFlow Serving, with gRPC and HTTP; the real server is not on PyPI.

The stand-in parses requests with the protos of tensorflow-serving-api, and runs them in a Session
as the real server does (tensorflow_serving/servables/tensorflow/predict_util.cc, `RunPredict`). The
stand-in converts a JSON request to a `PredictRequest`, as the real server does
(tensorflow_serving/util/json_tensor.cc, `FillPredictRequestFromJson`). A JSON request consists of
rows of named inputs; strings are plain or `{"b64": …}`.
"""

import base64
import json
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

from trainer.serving.session_model import SessionError, SessionModel

_DEFAULT = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY


class Server(prediction_service_pb2_grpc.PredictionServiceServicer):
    """A server of one version of one model.

    Attributes:
      grpc_port: the port of gRPC.
      http_port: the port of HTTP.
    """

    def __init__(self, name: str, version: Path) -> None:
        self._name = name
        self._model = SessionModel(str(version))
        self.grpc_port = self.http_port = 0

    def run(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        """Runs a request; as on the real server, a request whose inputs do not fit the signature
        fails."""
        signature = request.model_spec.signature_name or _DEFAULT
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        response = predict_pb2.PredictResponse()
        for name, value in self._model(signature, inputs).items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response

    def Predict(self, request: Any, context: Any) -> predict_pb2.PredictResponse:  # noqa: N802
        if request.model_spec.name != self._name:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found: {request.model_spec}")
        try:
            return self.run(request)
        except SessionError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    def predict_json(self, path: str, body: bytes) -> tuple[int, Any]:
        """Runs a request in JSON; returns the HTTP status and the content of the response."""
        if path != f"/v1/models/{self._name}:predict":
            return 404, {"error": f"Malformed request: POST {path}"}
        content = json.loads(body)
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self._name
        request.model_spec.signature_name = content.get("signature_name", "")
        rows = content["instances"]
        for name in rows[0]:
            values = [_decode(row[name]) for row in rows]
            request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
        try:
            outputs = self.run(request).outputs
        except SessionError as error:
            return 400, {"error": str(error)}
        columns = {name: tf.make_ndarray(tensor).tolist() for name, tensor in outputs.items()}
        return 200, {
            "predictions": [
                {name: _text(column[row]) for name, column in columns.items()}
                for row in range(len(rows))
            ]
        }


@contextmanager
def serve(name: str, version: Path) -> Iterator[Server]:
    """Serves a version of a model on loopback."""
    model = Server(name, version)
    server = grpc.server(futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(model, server)
    model.grpc_port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(model))
    model.http_port = http.server_port
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
        server.stop(None)


def read_warm_up(version: Path) -> list[predict_pb2.PredictRequest]:
    """Returns the warm-up requests of a version; reads them as TensorFlow Serving does.

    In TensorFlow Serving, the function `RunSavedModelWarmupUntracked` in
    tensorflow_serving/servables/tensorflow/saved_model_warmup_util.cc reads these requests. The
    function `RunWarmupRequest` in saved_model_warmup.cc runs the requests.
    """
    file = version / "assets.extra" / "tf_serving_warmup_requests"
    logs = [
        prediction_log_pb2.PredictionLog.FromString(record)
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
    ]
    assert {log.WhichOneof("log_type") for log in logs} == {"predict_log"}
    return [log.predict_log.request for log in logs]


def _decode(value: Any) -> Any:
    match value:
        case {"b64": str(text), **rest} if not rest:
            return base64.b64decode(text, validate=True)
    return value


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _handler(model: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, answer = model.predict_json(self.path, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Logs nothing."""

    return Handler
