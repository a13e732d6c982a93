"""Uses XLA to compile functions that call a SavedModel or compute gradients of such a call."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2, rewriter_config_pb2
from tensorflow.python.eager import context
from tensorflow.python.grappler import tf_optimizer

_MUST_COMPILE = "_XlaMustCompile"
_numbers = itertools.count()


def compile_with_xla(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a `tf.function` that XLA compiles once for each shape of its inputs.

    `compile_with_xla` inlines function calls: it replaces each call with the body of the called
    function. Without inlining, XLA would compile a training step with a SavedModel again for every
    batch.

    XLA requires that some operands, such as the axes of a transposition, are compile-time
    constants. In a training step, the forward pass of a SavedModel is a function call, whose
    outputs include axes that the backward pass needs. If an output of a function call must be a
    compile-time constant, XLA treats all inputs of the call as compile-time constants
    (`BackwardsConstAnalysis` in tensorflow/compiler/tf2xla/const_analysis.cc). XLA would therefore
    treat the images and the weights, which are the inputs of the forward pass, as compile-time
    constants. XLA compiles a function again whenever a compile-time constant has a new value.

    Args:
      function: a function whose arguments and results are tensors or nested structures of tensors.
    """

    @tf.function(jit_compile=True)
    def compiled(*inputs: Any) -> Any:
        specs = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), inputs)
        concrete = tf.function(function).get_concrete_function(*specs)
        return import_inlined(concrete, tf.nest.flatten(inputs))

    return compiled


def import_inlined(function: Any, inputs: Sequence[tf.Tensor]) -> Any:
    """Copies a concrete function's graph into the current graph, and inlines all function calls.

    Args:
      function: the concrete function.
      inputs: the arguments of the function.

    Returns:
      The outputs of the function, in their nested structure.
    """
    graph_def, used = _inline_calls(function)
    graph = tf.compat.v1.get_default_graph()
    captures = [graph.capture(tensor) for tensor in function.captured_inputs]
    given = zip(function.inputs, [*inputs, *captures], strict=True)
    outputs = tf.graph_util.import_graph_def(
        graph_def,
        input_map={own.name: other for own, other in given if own.op.name in used},
        return_elements=[output.name for output in function.outputs],
        name="",
    )
    return tf.nest.pack_sequence_as(function.structured_outputs, outputs)


def _inline_calls(function: Any) -> tuple[tf.compat.v1.GraphDef, set[str]]:
    """Replaces each call in the graph of a concrete function with the body of the called function.

    Branches and loops are not inlined: they remain operations such as `If` and `While`, which call
    functions, because XLA can compile branches and loops only in this form.

    Returns:
      The graph, without the placeholders of the function's inputs; and the names of all operations
      whose outputs are used in the graph or returned by the function. The names tell the caller
      which placeholders the graph uses.
    """
    graph_def = function.graph.as_graph_def()
    for owner in (graph_def, *graph_def.library.function):
        nodes = owner.node if owner is graph_def else owner.node_def
        for node in nodes:
            # Grappler does not inline a call that has the attribute `_XlaMustCompile`, so the
            # attribute is removed from all calls.
            node.attr.pop(_MUST_COMPILE, None)
            node.attr.pop("_lower_using_switch_merge", None)
    for called in graph_def.library.function:
        called.attr.pop(_MUST_COMPILE, None)
    meta_graph = tf.compat.v1.train.export_meta_graph(graph_def=graph_def, graph=function.graph)
    kept = meta_graph_pb2.CollectionDef()
    kept.node_list.value.extend(tensor.name for tensor in (*function.inputs, *function.outputs))
    meta_graph.collection_def["train_op"].CopyFrom(kept)
    config = config_pb2.ConfigProto()
    rewrites = config.graph_options.rewrite_options
    rewrites.min_graph_nodes = -1  # also optimizes small graphs, which Grappler skips by default
    rewrites.optimizers.append("function")
    rewrites.function_optimization = rewriter_config_pb2.RewriterConfig.AGGRESSIVE
    inlined = tf_optimizer.OptimizeGraph(config, meta_graph)
    _register_functions(inlined)
    placeholders = {tensor.op.name for tensor in function.inputs}
    nodes = [node for node in inlined.node if node.name not in placeholders]
    used = {name.lstrip("^").split(":")[0] for node in nodes for name in node.input}
    used |= {tensor.op.name for tensor in function.outputs}
    for node in nodes:
        # A node's attribute `_class` names other nodes that must run on the same device. `_class`
        # may name a placeholder that was removed above, so `_class` is removed from all nodes.
        node.attr.pop("_class", None)
    del inlined.node[:]
    inlined.node.extend(nodes)
    return inlined, used


def _register_functions(graph_def: tf.compat.v1.GraphDef) -> None:
    """Registers with TensorFlow the functions that Grappler created for branches and loop bodies.

    Each function gets a unique name, because Grappler may use the same name for two functions with
    different bodies, for example for two batch sizes.
    """
    known = context.context()
    new = {
        function.signature.name: f"{function.signature.name}_{next(_numbers)}"
        for function in graph_def.library.function
        if not known.has_function(function.signature.name)
    }
    nodes = [*graph_def.node, *(n for f in graph_def.library.function for n in f.node_def)]
    for node in nodes:
        node.op = new.get(node.op, node.op)
        for attribute in node.attr.values():
            for reference in (attribute.func, *attribute.list.func):
                if reference.name in new:
                    reference.name = new[reference.name]
    for function in graph_def.library.function:
        if function.signature.name in new:
            function.signature.name = new[function.signature.name]
            known.add_function_def(function)
