"""Inspects the graph and the functions of a SavedModel before TensorFlow runs any of them.

This module reads the operations in `saved_model.pb` without loading the SavedModel, because
`tf.saved_model.load` already runs a part of the graph. A Session runs further parts, so the whole
graph is checked.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import function_pb2, node_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow.python.framework import op_def_registry

from backbones.operations import RESTORE, SAVE, is_pure
from common.errors import InputError
from common.saved_model import read_saved_model
from common.text import list_first

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


def check_operations(directory: str | Path) -> None:
    """Refuses a SavedModel whose graph contains forbidden operations.

    `backbones.operations` lists the allowed operations. Operations that write or read a checkpoint
    are allowed only in the two functions that TensorFlow adds to a SavedModel to save and restore
    its variables. Only the graph's save node may call the function that saves the variables, and
    only the graph's restore node may call the function that restores them. The function that
    restores the variables must get the path of the checkpoint as an argument, because a path that
    is stored in the graph could name any file of the user.

    Raises:
      InputError: the graph has an operation that is not allowed, or the directory is not a
        SavedModel.
    """
    for meta_graph in read_saved_model(directory).meta_graphs:
        found = dict.fromkeys(_violations(meta_graph))
        if found:
            raise InputError(
                f"{directory}: this SavedModel does more than compute: it has "
                f"{list_first([*found], 3)}; expected no operation that accesses files, "
                "the network or Python; give --trust-model if you trust its author"
            )


def _violations(meta_graph: meta_graph_pb2.MetaGraphDef) -> Iterator[str]:
    """Yields a description of each operation and call that is not allowed."""
    graph = meta_graph.graph_def
    functions = {function.signature.name: function for function in graph.library.function}
    saver = _Saver(meta_graph, functions)
    yield from _list_impure_operations("the graph", graph.node, functions)
    for name, function in functions.items():
        yield from _list_impure_operations(
            name, function.node_def, functions, saver.operations(function)
        )
    yield from saver.other_callers()


def _list_impure_operations(
    place: str,
    nodes: Iterable[node_def_pb2.NodeDef],
    functions: Iterable[str],
    allowed: Iterable[str] = (),
) -> Iterator[str]:
    # Sort the names, because the order of a set is random, but the error message should always be
    # the same.
    for name in sorted({node.op for node in nodes}.difference(allowed, functions)):
        definition = op_def_registry.get(name)
        if definition is None:
            yield f"{name} in {place}, which TensorFlow {tf.__version__} does not know"
        elif not is_pure(name, stateful=definition.is_stateful):
            yield f"{name} in {place}"


class _Saver:
    """The save node and the restore node of the graph, and the functions that these nodes call."""

    def __init__(
        self,
        meta_graph: meta_graph_pb2.MetaGraphDef,
        functions: dict[str, function_pb2.FunctionDef],
    ) -> None:
        self._meta_graph = meta_graph
        definition = meta_graph.saver_def
        # The keys of `wanted` are the names of the save node and the restore node. Each value of
        # `wanted` lists the operations that are allowed in the function that this node calls.
        wanted = {_node(definition.save_tensor_name): SAVE, definition.restore_op_name: RESTORE}
        self._nodes = {
            node.name: node.attr["f"].func.name
            for node in meta_graph.graph_def.node
            if node.name in wanted and node.op in _CALLS
        }
        self._allowed = {name: wanted[node] for node, name in self._nodes.items()}
        self._functions = functions

    def operations(self, function: function_pb2.FunctionDef) -> frozenset[str]:
        """Returns the operations of `SAVE` and `RESTORE` that are allowed in `function`."""
        allowed = self._allowed.get(function.signature.name, frozenset())
        arguments = {argument.name for argument in function.signature.input_arg}
        # A function may read a checkpoint only if its caller passes the path: a path that is stored
        # in the graph could name any file of the user.
        reads_own_file = any(
            node.op in RESTORE and (not node.input or node.input[0] not in arguments)
            for node in function.node_def
        )
        return allowed - RESTORE if reads_own_file else allowed

    def other_callers(self) -> Iterator[str]:
        """Yields a description of each forbidden use of the save function or the restore function.

        Only the save node may call the save function, and only the restore node may call the
        restore function.
        """
        graph, own = self._meta_graph.graph_def, set(self._allowed)
        for node in graph.node:
            uses = {_node(name) for name in node.input} & set(self._nodes)
            if uses or (node.name not in self._nodes and _functions_of(node) & own):
                yield "a call of the saver's functions in the graph"
        for name, function in self._functions.items():
            if any(_functions_of(node) & own for node in function.node_def):
                yield f"a call of the saver's functions in {name}"
        gradients = {gradient.gradient_func for gradient in graph.library.gradient}
        gradients |= {gradient.gradient_func for gradient in graph.library.registered_gradients}
        if gradients & own:
            yield "a gradient that calls the saver's functions"
        if own & set(self._meta_graph.object_graph_def.concrete_functions):
            yield "an object with the saver's functions"
        for name, signature in self._meta_graph.signature_def.items():
            tensors = {
                info.name for info in (*signature.inputs.values(), *signature.outputs.values())
            }
            if {_node(tensor) for tensor in tensors} & set(self._nodes):
                yield f"the signature {name} that calls the saver's functions"
        for name, collection in self._meta_graph.collection_def.items():
            if {_node(node) for node in collection.node_list.value} & set(self._nodes):
                yield f"the collection {name} that calls the saver's functions"


def _functions_of(node: node_def_pb2.NodeDef) -> set[str]:
    """Returns the names of all functions that a node may call."""
    return {node.op, *_functions_in(node.attr)}


def _functions_in(attributes: Any) -> Iterator[str]:
    """Yields the names of all functions in `attributes`, also those nested in other functions."""
    for value in attributes.values():
        for function in (value.func, *value.list.func):
            if function.name:
                yield function.name
                yield from _functions_in(function.attr)


def _node(tensor: str) -> str:
    """Returns a node's name from a tensor name (`node:0`) or a control input (`^node`)."""
    return tensor.removeprefix("^").partition(":")[0]
