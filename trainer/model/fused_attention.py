"""Replaces the attention operations of a backbone with cuDNN's fused kernels.

The fused kernels do not store the matrix of attention scores.

The half-precision backbones of `backbones.augreg` compute attention with three standard operations,
which run on every device: a matrix product, a softmax and another matrix product. In the training
graph that XLA compiles for a GPU, `fuse_attention` replaces these operations and their gradients
with cuDNN's kernels. The graph of the exported model stays as it is.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from trainer.model.cudnn_attention import DTYPES, MAX_HEAD_SIZE, backward, forward
from trainer.model.xla import import_inlined

_SPLIT = [0, 2, 1, 3]  # permutes [B, T, N, H] to [B, N, T, H], and vice versa


class _Attention(NamedTuple):
    """One attention computation in a graph: its tensors, 16-bit [B, T, N, H], and its scale."""

    query: tf.Tensor
    key: tf.Tensor
    value: tf.Tensor
    scale: float
    output: tf.Tensor


def fuse_attention(function: Any) -> Any:
    """Copies a concrete function; in the copy, cuDNN's kernels compute attention.

    Args:
      function: a concrete function with one input of a known shape. `fuse_attention` recognises
        only attention that consists of the same operations as in `backbones.augreg`; other
        attention remains unchanged.
    """

    def fused(*inputs: tf.Tensor) -> Any:
        outputs = import_inlined(function, inputs)
        graph = tf.compat.v1.get_default_graph()
        for variable in function.graph.variables:
            # Without `watch_variable`, a gradient tape would not notice that the copied graph uses
            # the variable, and would not compute the gradient for the variable.
            graph.watch_variable(variable)
        for operation in graph.get_operations():
            if operation.type == "Softmax" and (found := _match(operation)):
                _replace(found)
        return outputs

    images = function.inputs[0]
    spec = tf.TensorSpec(images.shape, images.dtype)
    return tf.function(fused, autograph=False).get_concrete_function(spec)


def _match(softmax: tf.Operation) -> _Attention | None:
    scores = _producer(_producer(softmax, "Cast"), "BatchMatMulV2")
    product = _consumer(_consumer(softmax, "Cast"), "BatchMatMulV2")
    output = _consumer(product, "Transpose")
    if not (scores and product and output and scores.get_attr("adj_y")):
        return None
    scaled, key = scores.inputs[0].op, _rows(scores.inputs[1])
    value = _rows(product.inputs[1])
    if scaled.type != "Mul" or key is None or value is None:
        return None
    query, scale = _rows(scaled.inputs[0]), tf.get_static_value(scaled.inputs[1])
    if query is None or scale is None or not _is_split(output):
        return None
    shapes = [tensor.shape for tensor in (query, key, value)]
    if not all(shape.is_fully_defined() and shape == shapes[0] for shape in shapes):
        return None
    if query.dtype not in DTYPES or shapes[0][3] % 8 or shapes[0][3] > MAX_HEAD_SIZE:
        return None
    return _Attention(query, key, value, float(scale), output.outputs[0])


def _producer(operation: tf.Operation | None, kind: str) -> tf.Operation | None:
    """Finds the operation that computes the first input of `operation`.

    The result is None if that operation is not of the type `kind`.
    """
    found = operation.inputs[0].op if operation else None
    return found if found is not None and found.type == kind else None


def _consumer(operation: tf.Operation | None, kind: str) -> tf.Operation | None:
    """Finds the operation that uses the first output of `operation`.

    The result is None if several operations use the output, or if the only operation that uses the
    output is not of the type `kind`.
    """
    consumers = operation.outputs[0].consumers() if operation else []
    return consumers[0] if len(consumers) == 1 and consumers[0].type == kind else None


def _is_split(transposition: tf.Operation) -> bool:
    permutation = tf.get_static_value(transposition.inputs[1])
    return permutation is not None and permutation.tolist() == _SPLIT


def _rows(heads: tf.Tensor) -> tf.Tensor | None:
    """Returns the [B, T, N, H] input of the Transpose operation that outputs `heads`, [B, N, T, H].

    The result is None if `heads` is the output of a different operation.
    """
    is_split = heads.op.type == "Transpose" and _is_split(heads.op)
    return heads.op.inputs[0] if is_split else None


def _replace(attention: _Attention) -> None:
    consumers = attention.output.consumers()
    fused = _attend(attention.scale, attention.query, attention.key, attention.value)
    for consumer in consumers:
        for index, tensor in enumerate(consumer.inputs):
            if tensor is attention.output:
                consumer._update_input(index, fused)


def _attend(scale: float, query: tf.Tensor, key: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Computes attention, [B, T, N, H]; `scale` is the factor for the attention scores."""

    @tf.custom_gradient
    def attend(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor) -> Any:
        output, statistics = forward(scale, query, key, value)

        def gradient(gradient: tf.Tensor) -> list[tf.Tensor]:
            return backward(scale, query, key, value, statistics, gradient, output)

        return output, gradient

    return attend(query, key, value)
