"""Warm-up requests, which TensorFlow Serving runs before it answers the first request of a client.

The first request to a loaded model takes seconds, because TensorFlow then optimises the graph and
allocates memory. The warm-up requests are PredictionLog messages in the TFRecord file
`assets.extra/tf_serving_warmup_requests` of a model. TensorFlow Serving runs each warm-up request
once when it loads a version (`RunSavedModelWarmupUntracked` in
tensorflow_serving/servables/tensorflow/saved_model_warmup_util.cc). If a warm-up request fails,
TensorFlow Serving does not load the version.
"""

import io
import os
from collections.abc import Iterator, Sequence

import numpy as np
import PIL.Image
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import prediction_log_pb2
from tfx.dsl.io import fileio

from common.saved_model import read_saved_model
from common.signatures import FROM_BYTES, FROM_EXAMPLES, FROM_PIXELS, INPUT
from components.model_pusher.serving_directory import WARM_UP

# There is a separate request for each image format, because each format has a separate decoder in
# the graph. JPEG, the most common format, is the last one, because `_batches` fills the largest
# batch with copies of the last image.
_FORMATS = ("BMP", "GIF", "PNG", "WEBP", "JPEG")


def write_warm_up(model: str, target: str, *, max_batch: int) -> None:
    """Writes warm-up requests for a model, if the model has the signatures that this project
    exports.

    Args:
      model: the directory of the SavedModel.
      target: the directory to which the model is copied, and from which servers load it.
      max_batch: the number of images in the largest request, at least 1.

    Raises:
      OSError, tf.errors.OpError: the file cannot be written.
    """
    logs = make_warm_up(model, max_batch=max_batch)
    if not logs:
        return
    path = f"{target}/{WARM_UP}"
    fileio.makedirs(os.path.dirname(path))
    with tf.io.TFRecordWriter(path) as writer:
        for log in logs:
            writer.write(log.SerializeToString())


def make_warm_up(model: str, *, max_batch: int) -> list[prediction_log_pb2.PredictionLog]:
    """For each signature of a model, makes requests with one image and a request with `max_batch`
    images.

    Args:
      model: the directory of the SavedModel.
      max_batch: the number of images in the largest request, at least 1.

    Returns:
      The requests; empty if the model does not have the signatures that this project exports.
    """
    signatures = _read_signatures(model)
    shapes = [
        [dimension.size for dimension in inputs[INPUT[FROM_PIXELS]].tensor_shape.dim]
        for inputs in signatures.values()
        if INPUT[FROM_PIXELS] in inputs
    ]
    if len(shapes) != 1 or len(shapes[0]) != 4:
        return []
    _, height, width, channels = shapes[0]
    files = [encode_image(height, width, name) for name in _FORMATS]
    # All pixels are 0, because a TensorProto stores equal elements as a single value, which keeps
    # the file small.
    pixels = {
        count: tf.make_tensor_proto(0.0, tf.float32, [count, height, width, channels])
        for count in (max_batch, 1)
    }
    requests = {
        INPUT[FROM_BYTES]: [_strings(batch) for batch in _batches(files, max_batch)],
        INPUT[FROM_EXAMPLES]: [
            _strings([_example(file) for file in batch])
            for batch in _batches(files[-1:], max_batch)
        ],
        INPUT[FROM_PIXELS]: list(pixels.values()),
    }
    return [
        _prediction_log(signature, name, tensor)
        for signature, inputs in sorted(signatures.items())
        for name in inputs
        for tensor in requests.get(name, [])
    ]


def encode_image(height: int, width: int, image_format: str) -> bytes:
    """Encodes an image of random squares. Every call uses the same random numbers.

    Args:
      height: height of the image, in pixels.
      width: width of the image, in pixels.
      image_format: Pillow's name of the format, such as JPEG.
    """
    generator = np.random.default_rng(0)
    rows, columns = -(-height // 8), -(-width // 8)
    squares = generator.integers(0, 256, (rows, columns, 3), np.uint8)
    image = PIL.Image.fromarray(squares).resize(
        (columns * 8, rows * 8), PIL.Image.Resampling.NEAREST
    )
    stream = io.BytesIO()
    image.crop((0, 0, width, height)).save(stream, image_format)
    return stream.getvalue()


def _read_signatures(model: str) -> dict[str, dict[str, meta_graph_pb2.TensorInfo]]:
    """Reads the inputs of each signature from saved_model.pb, without loading the model."""
    return {
        name: dict(signature.inputs)
        for graph in read_saved_model(model).meta_graphs
        for name, signature in graph.signature_def.items()
    }


def _batches(files: Sequence[bytes], max_batch: int) -> Iterator[list[bytes]]:
    """Yields a batch with `max_batch` copies of the last file and then, for each file, a batch with
    only this file.
    """
    yield [files[-1]] * max_batch
    for file in files:
        yield [file]


def _example(file: bytes) -> bytes:
    """Returns a serialized tf.Example with an encoded image."""
    image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[file]))
    features = tf.train.Features(feature={"image": image})
    return tf.train.Example(features=features).SerializeToString()


def _strings(values: list[bytes]) -> tensor_pb2.TensorProto:
    return tf.make_tensor_proto(values, tf.string, [len(values)])


def _prediction_log(
    signature: str, name: str, tensor: tensor_pb2.TensorProto
) -> prediction_log_pb2.PredictionLog:
    """Returns a PredictionLog with a request that passes `tensor` to the input `name` of
    `signature`. The request does not contain the name of the model.
    """
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    request.inputs[name].CopyFrom(tensor)
    return log
