"""Tests that an invalid image does not raise CancelledError, which would fail the whole batch.

A tf.data dataset with `ignore_errors` decodes the images of a batch. The transformation
`ignore_errors` ignores all errors except CancelledError (`IgnoreErrorsDatasetOp` in
tensorflow/core/kernels/data/experimental/ignore_errors_dataset_op.cc). If a function call in a
graph fails, TensorFlow cancels the calls that run at the same time. TensorFlow may then report the
CancelledError of a cancelled call instead of the error of the call that failed.
"""

import itertools
import re

import tensorflow as tf

from trainer.decoding.limits import Limits
from trainer.serving.safe_decode import BatchDecoder

# The ops that fail for a damaged image. `DecodeRaw` never fails, because it only splits a string
# into bytes.
FAILING = re.compile("Assert|Decode(?!Raw)|DatasetToSingleElement|ParseSingleExample")


def called(node):
    """Returns the names of the functions that a node calls."""
    names = []
    for value in node.attr.values():
        names += [function.name for function in (value.func, *value.list.func) if function.name]
    return names


def find_ancestors(nodes):
    """Returns, for each node of a function, the names of the nodes that must end before the node
    starts."""
    found = {}
    waiting = dict(nodes)
    while waiting:
        for name, node in list(waiting.items()):
            inputs = {value.lstrip("^").split(":")[0] for value in node.input} & nodes.keys()
            if inputs <= found.keys():
                found[name] = inputs.union(*(found[one] for one in inputs))
                del waiting[name]
    return found


def find_races(graph):
    """Yields pairs of function calls that can run at the same time, if one of the two can fail."""
    functions = {
        function.signature.name: {node.name: node for node in function.node_def}
        for function in graph.library.function
    }

    def can_fail(node):
        return bool(FAILING.match(node.op)) or any(
            can_fail(inner) for name in called(node) for inner in functions[name].values()
        )

    for function, nodes in functions.items():
        ancestors = find_ancestors(nodes)
        # `calls` leaves out tf.data ops, because TensorFlow cancels the functions of a dataset
        # only when it cancels the dataset.
        calls = [node for node in nodes.values() if called(node) and "Dataset" not in node.op]
        for one, other in itertools.combinations(calls, 2):
            is_ordered = one.name in ancestors[other.name] or other.name in ancestors[one.name]
            if not is_ordered and (can_fail(one) or can_fail(other)):
                yield function, one.name, other.name


def make_graph(function, spec):
    return (
        tf.function(function, input_signature=[spec]).get_concrete_function().graph.as_graph_def()
    )


def test_nothing_else_runs_while_the_decoding_of_an_image_fails():
    decoder = BatchDecoder(Limits(max_side=512, max_pixels=10**6), 16, 16)
    graph = make_graph(decoder, tf.TensorSpec([None], tf.string))
    assert not list(find_races(graph))


def test_a_race_is_found():
    def check(number):
        return tf.io.decode_webp(tf.strings.as_string(number))

    def race(number):
        failing = tf.cond(
            number > 0, lambda: check(number), lambda: tf.zeros([1, 1, 1, 4], tf.uint8)
        )
        other = tf.while_loop(lambda n: n < 9, lambda n: [n + 1], [number])[0]
        return failing, other

    @tf.function(autograph=False)
    def call(number):
        return race(number)

    (found,) = find_races(make_graph(call, tf.TensorSpec([], tf.int32)))
    assert {found[1], found[2]} == {"cond", "while"}
