"""The files of a SavedModel's variables: a tensor bundle, `variables.index` and its shards of data.

The format: tensorflow/core/util/tensor_bundle/tensor_bundle.h.
"""

import contextlib
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_object_graph_pb2, trackable_object_graph_pb2

from common.errors import InputError, one_line

_SHARD = re.compile(r"variables\.data-\d{5}-of-(\d{5})")
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"  # the tensor that says which variable is which
_COMPLETE = "is the SavedModel complete?"


def check_variables(directory: str | Path, graph: saved_object_graph_pb2.SavedObjectGraph) -> None:
    """Refuses a SavedModel whose variables are not there: files, bytes or tensors.

    Tensors are measured, but not read: that takes long, and loading them compares their checksums.

    Args:
      directory: of the SavedModel; any that TensorFlow can read.
      graph: what it holds.

    Raises:
      InputError: it lacks some, or they are another model's; the message names the file.
    """
    folder = f"{directory}/variables"
    shards = _shards(folder)
    data = f"{folder}/{shards[0] if len(shards) == 1 else 'variables.data-*'}"
    index = f"{folder}/variables.index"
    with _readable(index):
        reader = tf.train.load_checkpoint(f"{folder}/variables")
        shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    with _readable(data):
        found = sum(tf.io.gfile.stat(f"{folder}/{shard}").length for shard in shards)
        expected = sum(_bytes(dtypes[name], shapes[name]) for name in shapes)
        _check_size(data, found, expected)
        strings = {name: reader.get_tensor(name) for name in shapes if dtypes[name] == tf.string}
        _check_size(data, found, expected + sum(map(_string_bytes, strings.values())))
    with _readable(index):
        saved = trackable_object_graph_pb2.TrackableObjectGraph()
        saved.ParseFromString(strings.get(_OBJECT_GRAPH, b""))
        variables = list(_variables(graph, saved))
    for path, variable, key in variables:
        expected = _described(variable.dtype, variable.shape)
        found = _described(dtypes[key], shapes[key]) if key in shapes else "nothing"
        if found != expected:
            raise InputError(
                f"{index}: has {found} for {path}; expected {expected}, as saved_model.pb says; "
                "are these the files of one SavedModel?"
            )


@contextlib.contextmanager
def _readable(file: str) -> Iterator[None]:
    """Within it, whatever is raised says that `file` is damaged."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # TensorFlow documents none, and raises IndexError among others
        raise InputError(f"{file}: is unreadable ({one_line(error)}); {_COMPLETE}") from error


def _shards(folder: str) -> list[str]:
    """The names of the files of data."""
    try:
        names = set(tf.io.gfile.listdir(folder))
    except tf.errors.NotFoundError:
        names = set()
    totals = [int(match[1]) for match in map(_SHARD.fullmatch, names) if match]
    total = max(totals, default=1)
    shards = [f"variables.data-{shard:05}-of-{total:05}" for shard in range(total)]
    for name in ("variables.index", *shards):
        if name not in names:
            raise InputError(
                f"{folder}/{name}: is missing; expected all files that tf.saved_model.save wrote; "
                f"{_COMPLETE}"
            )
    return shards


def _bytes(dtype: tf.DType, shape: Sequence[int]) -> int:
    """How many bytes a tensor has in the shards; of strings, which have to be read, none."""
    return 0 if dtype == tf.string else math.prod(shape) * dtype.size


def _string_bytes(tensor: bytes | np.ndarray) -> int:
    """How many a tensor of strings has: their lengths, a checksum of these, and the strings."""
    lengths = [len(string) for string in np.ravel(np.asarray(tensor, object))]
    # Lengths are varints, as in protocol buffers: seven bits to a byte.
    return 4 + sum(length + max(1, -(-length.bit_length() // 7)) for length in lengths)


def _check_size(data: str, found: int, expected: int) -> None:
    if found < expected:
        raise InputError(
            f"{data}: {found} bytes; expected {expected} at least, as variables.index says; "
            f"{_COMPLETE}"
        )


def _variables(
    graph: saved_object_graph_pb2.SavedObjectGraph,
    saved: trackable_object_graph_pb2.TrackableObjectGraph,
) -> Iterator[tuple[str, saved_object_graph_pb2.SavedVariable, str]]:
    """Each variable: where it is in `graph`, what it is, and its tensor's name, empty if none.

    Both graphs are walked side by side by the names of their edges, as TensorFlow does to load
    them. The numbers of their nodes differ.

    Args:
      graph: what saved_model.pb has.
      saved: what the tensor bundle has; empty where it was written without.
    """
    if not saved.nodes:
        return
    numbers, lost = {0: 0}, {}
    waiting = [(0, "")]
    for node, path in waiting:
        others = {child.local_name: child.node_id for child in saved.nodes[numbers[node]].children}
        for child in graph.nodes[node].children:
            where = f"{path}.{child.local_name}".lstrip(".")
            if child.node_id in numbers:
                continue
            if child.local_name in others:
                numbers[child.node_id] = others[child.local_name]
                waiting.append((child.node_id, where))
            elif _is_variable(graph, child.node_id):
                lost[child.node_id] = where
    for node, path in waiting:
        if _is_variable(graph, node):
            attributes = saved.nodes[numbers[node]].attributes
            keys = [a.checkpoint_key for a in attributes if a.name == "VARIABLE_VALUE"]
            yield path, graph.nodes[node].variable, "".join(keys)
    for node, path in lost.items():
        if node not in numbers:  # nor was it found another way
            yield path, graph.nodes[node].variable, ""


def _is_variable(graph: saved_object_graph_pb2.SavedObjectGraph, node: int) -> bool:
    return graph.nodes[node].WhichOneof("kind") == "variable"


def _described(dtype: Any, shape: Any) -> str:
    return f"{tf.as_dtype(dtype).name} {tf.TensorShape(shape)}"
