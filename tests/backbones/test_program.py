import dataclasses
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import op_def_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.client import pywrap_tf_session

from backbones.admission import check_backbone
from backbones.augreg.convert import convert
from backbones.augreg.initialization import random_arrays
from backbones.operations import is_pure
from backbones.program import check_operations
from common.errors import InputError
from tests.conftest import TINY
from tests.trainer.collection_model import write_collection_model

HYBRID = dataclasses.replace(TINY, patch_size=1, resnet_blocks=(1,), width_factor=0.5)
TEXTS = [tf.TensorSpec([None], tf.string)]


def save(directory, function):
    """Writes a SavedModel with a function that takes a vector of strings."""

    def call(texts):
        function(texts)
        return texts

    module = tf.Module()
    module.function = tf.function(call, input_signature=TEXTS)
    tf.saved_model.save(module, str(directory))
    return directory


def get_refusal(directory):
    with pytest.raises(InputError) as error:
        check_operations(directory)
    message = str(error.value)
    assert message.startswith(f"{directory}: this SavedModel does more than compute")
    assert message.endswith("; give --trust-model if you trust its author")
    assert "\n" not in message
    return message


def read_in_nested_functions(texts):
    """Maps a function over a dataset; in one branch of a `tf.cond`, the function reads a file."""

    def read(text):
        return tf.cond(tf.strings.length(text) > 3, lambda: tf.io.read_file(text), lambda: text)

    dataset = tf.data.Dataset.from_tensor_slices(texts).map(read)
    return dataset.reduce("", lambda all, one: all + one)


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (lambda x: tf.io.read_file(x[0]), "ReadFile"),
        (tf.io.matching_files, "MatchingFiles"),
        (lambda x: tf.io.write_file(x[0], "!"), "WriteFile"),
        (lambda x: tf.print(x, output_stream="file:///tmp/x"), "PrintV2"),
        (lambda x: tf.py_function(len, [x], tf.int64), "EagerPyFunc"),
        (lambda x: tf.numpy_function(len, [x], tf.int64), "PyFunc"),
        (lambda x: tf.numpy_function(len, [x], tf.int64, stateful=False), "PyFuncStateless"),
        (lambda x: tf.raw_ops.SaveV2(
            prefix=x[0], tensor_names=["a"], shape_and_slices=[""], tensors=[x]
        ), "SaveV2"),
        (lambda x: tf.raw_ops.RestoreV2(
            prefix=x[0], tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.string]
        ), "RestoreV2"),
        (lambda x: tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=x, destination_prefix=x[0]
        ), "MergeV2Checkpoints"),
        (lambda x: tf.raw_ops.ImmutableConst(
            dtype=tf.uint8, shape=[9], memory_region_name="/etc/hosts"
        ), "ImmutableConst"),
        (lambda x: tf.raw_ops.DatasetFromGraph(graph_def=x[0]), "DatasetFromGraph"),
        (lambda x: tf.data.TextLineDataset(x).reduce("", lambda a, b: a + b), "TextLineDataset"),
        (lambda x: tf.data.TFRecordDataset(x).reduce("", lambda a, b: a + b), "TFRecordDataset"),
        (lambda x: tf.data.Dataset.load("/tmp/x", tf.TensorSpec([], tf.string))
         .reduce("", lambda a, b: a + b), "LoadDataset"),
        (lambda x: tf.data.Dataset.from_tensor_slices(x).cache("/tmp/x")
         .reduce("", lambda a, b: a + b), "CacheDatasetV2"),
        (lambda x: tf.raw_ops.LMDBDataset(
            filenames=x, output_types=[tf.string], output_shapes=[[]]
        ), "LMDBDataset"),
        (lambda x: tf.raw_ops.DebugIdentityV2(input=x, debug_urls=["file:///tmp/x"]),
         "DebugIdentityV2"),
        (lambda x: tf.raw_ops.CollectiveBcastSend(
            input=tf.strings.length(x), group_size=2, group_key=1, instance_key=1, shape=[1]
        ), "CollectiveBcastSend"),
        (read_in_nested_functions, "ReadFile"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_graph_with_file_or_network_operations_is_refused(tmp_path, function, operation):
    assert re.search(rf"it has {operation} in \w+", get_refusal(save(tmp_path, function)))


def test_a_model_that_writes_a_file_on_loading_is_refused_before_loading(tmp_path, tiny_backbone):
    """`check_backbone` refuses the model without loading it, because loading it would write a
    file."""

    class Resource(tf.saved_model.experimental.TrackableResource):
        def _create_resource(self):
            return tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[])

        def _initialize(self):
            tf.io.write_file(str(tmp_path / "written"), "!")

    model = tf.saved_model.load(str(tiny_backbone))
    model.more = Resource()
    tf.saved_model.save(model, str(tmp_path / "model"))
    (tmp_path / "written").unlink(missing_ok=True)
    with pytest.raises(InputError, match="WriteFile in "):
        check_backbone(tmp_path / "model")
    assert not (tmp_path / "written").exists()
    check_backbone(tmp_path / "model", trusted=True)
    assert (tmp_path / "written").read_text() == "!"


@pytest.fixture
def edit_model(tiny_backbone, tmp_path):
    """Returns a function that copies a SavedModel and edits the MetaGraphDef of the copy."""

    def edit_model(edit):
        model = shutil.copytree(tiny_backbone, tmp_path / "edited")
        file = model / "saved_model.pb"
        saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
        edit(saved.meta_graphs[0])
        file.write_bytes(saved.SerializeToString())
        return model

    return edit_model


def functions(graph, part):
    return [f for f in graph.graph_def.library.function if part in f.signature.name]


def function(graph, part):
    return functions(graph, part)[0]


def saver_node(graph):
    return graph.saver_def.restore_op_name


def call_by_attribute(graph):
    node = function(graph, "__call__").node_def.add(name="more", op="PartitionedCall")
    node.attr["f"].func.name = function(graph, "traced_restore").signature.name


def call_by_name(graph):
    name = function(graph, "traced_save").signature.name
    function(graph, "__call__").node_def.add(name="more", op=name)


def call_by_nested_attribute(graph):
    node = function(graph, "__call__").node_def.add(name="more", op="Case")
    branch = node.attr["branches"].list.func.add(name="elsewhere")
    branch.attr["g"].func.name = function(graph, "traced_save").signature.name


def call_in_the_graph(graph):
    node = graph.graph_def.node.add(name="more", op="PartitionedCall")
    node.attr["f"].func.name = function(graph, "traced_save").signature.name


def use_in_the_graph(graph):
    graph.graph_def.node.add(name="more", op="NoOp", input=[f"^{saver_node(graph)}"])


def use_in_a_signature(graph):
    graph.signature_def["serving_default"].outputs["x"].name = f"{saver_node(graph)}:0"


def use_in_a_collection(graph):
    graph.collection_def["saved_model_main_op"].node_list.value.append(saver_node(graph))


def use_as_an_object(graph):
    name = function(graph, "traced_save").signature.name
    graph.object_graph_def.concrete_functions[name].SetInParent()


def use_as_a_gradient(graph):
    name = function(graph, "traced_save").signature.name
    graph.graph_def.library.gradient.add(function_name="f", gradient_func=name)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (call_by_attribute, r"a call of the saver's functions in __inference___call__"),
        (call_by_name, r"a call of the saver's functions in __inference___call__"),
        (call_by_nested_attribute, r"a call of the saver's functions in __inference___call__"),
        (call_in_the_graph, "a call of the saver's functions in the graph"),
        (use_in_the_graph, "a call of the saver's functions in the graph"),
        (use_in_a_signature, "the signature serving_default that calls the saver's"),
        (use_in_a_collection, "the collection saved_model_main_op that calls the saver's"),
        (use_as_an_object, "an object with the saver's functions"),
        (use_as_a_gradient, "a gradient that calls the saver's functions"),
    ],
)
def test_only_the_saver_may_save_and_restore(edit_model, edit, expected):
    assert re.search(expected, get_refusal(edit_model(edit)))


@pytest.mark.parametrize(
    ("part", "operation", "inputs"),
    [
        ("traced_save", "WriteFile", ["file_prefix", "x"]),
        ("traced_restore", "SaveV2", ["file_prefix", "x", "y", "z"]),
        ("traced_restore", "WriteFile", ["file_prefix", "x"]),
        ("traced_restore", "RestoreV2", ["elsewhere:output:0", "x", "y"]),
        ("traced_save", "RestoreV2", ["file_prefix", "x", "y"]),
    ],
)
def test_the_saver_has_no_other_file_operations(edit_model, part, operation, inputs):
    """The functions that save and restore the variables may not access files for other purposes.

    The function that restores the variables may read only the checkpoint whose path is passed to
    the function.
    """

    def edit(graph):
        function(graph, part).node_def.add(name="more", op=operation, input=inputs)

    assert f"it has {operation} in __inference__{part}" in get_refusal(edit_model(edit))


def test_operations_in_the_graph_itself_and_unknown_ones(edit_model):
    def edit(graph):
        for name in ("ReadFile", "_Send", "Launch", "WriteFile", "Send"):
            graph.graph_def.node.add(name=name, op=name)

    message = get_refusal(edit_model(edit))
    assert (
        f"Launch in the graph, which TensorFlow {tf.__version__} does not know, ReadFile in the "
        "graph, Send in the graph and 2 more"
    ) in message


def test_a_function_named_like_the_graph_has_no_exemption(edit_model):
    """A model cannot evade the check with a function whose name is "the graph".

    Only nodes of the model's graph may call the functions that save and restore the variables.
    The check must not recognise the model's graph by the name "the graph" from the error messages,
    because a function may have this name, too.
    """

    def edit(graph):
        added = graph.graph_def.library.function.add()
        added.signature.name = "the graph"
        call = added.node_def.add(name=saver_node(graph), op="PartitionedCall")
        call.attr["f"].func.name = function(graph, "traced_save").signature.name

    assert "a call of the saver's functions in the graph" in get_refusal(edit_model(edit))


def collect_tables(module):
    initializer = tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([1, 2], tf.int64))
    module.table = tf.lookup.StaticHashTable(initializer, -1)
    module.mutable = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    module.generator = tf.random.Generator.from_seed(1)
    return lambda x: (module.table[x] + module.mutable[x], module.generator.normal([2]))


def decode_with_a_dataset(module):
    """Returns a function that decodes images in a tf.data dataset and skips invalid ones."""

    def decode(index, text):
        image = tf.io.decode_image(text, 3, expand_animations=False)
        return index, tf.image.resize(image, [8, 8])

    def scatter(images, batch):
        return tf.tensor_scatter_nd_update(images, batch[0][:, None], batch[1])

    def function(x):
        indexed = tf.data.Dataset.from_tensor_slices((tf.range(tf.size(x)), x)).shuffle(4)
        decoded = indexed.map(decode, num_parallel_calls=4).ignore_errors().batch(16).prefetch(2)
        return decoded.reduce(tf.zeros([tf.size(x), 8, 8, 3]), scatter)

    return function


def loop(module):
    def function(x):
        array = tf.TensorArray(tf.float32, 0, dynamic_size=True)
        for index in tf.range(tf.size(x)):
            array = array.write(index, 1.0 if tf.strings.length(x[index]) > 3 else 0.0)
        lengths = tf.map_fn(tf.strings.length, x, fn_output_signature=tf.int32)
        tf.debugging.assert_less(lengths, 100)
        return array.stack() + tf.random.normal([])

    return function


@pytest.mark.parametrize("make", [collect_tables, decode_with_a_dataset, loop])
def test_programs_that_stay_in_memory_pass(tmp_path, make):
    module = tf.Module()
    module.function = tf.function(make(module), input_signature=TEXTS)
    tf.saved_model.save(module, str(tmp_path))
    check_operations(tmp_path)


def test_common_backbones_pass(tmp_path, tiny_backbone):
    check_operations(tiny_backbone)
    convert(random_arrays(HYBRID, seed=0), tmp_path / "hybrid")
    convert(random_arrays(TINY, seed=0), tmp_path / "mixed", precision="mixed_bfloat16")
    write_collection_model(TINY, tmp_path / "collection")
    write_collection_model(dataclasses.replace(TINY, classes=3), tmp_path / "classifier")
    for model in tmp_path.iterdir():
        check_operations(model)


def test_a_keras_export_passes(tmp_path):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.RandomFlip(),
            layers.RandomRotation(0.1),
            layers.RandomContrast(0.1),
            layers.Normalization(mean=np.zeros(3), variance=np.ones(3)),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.Dropout(0.1),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="gelu"),
        ]
    )
    model.export(str(tmp_path), verbose=False)
    check_operations(tmp_path)


def test_a_real_backbone_passes(shared):
    check_operations(shared / "backbones" / "mobilenet_v2_160_fe")


# Names of inputs and attributes that suggest access to files or to the network.
_OUTSIDE = re.compile(
    r"file|path|prefix|host|address|url|uri|logdir|shard_dir|directory|protocol|descriptor"
    r"|memory_region|mlir|graph_def|(^|_)token"
)
# Inputs and attributes whose names suggest access to files or the network, although their
# operations only compute. For example, the tokens of `XlaCallModule` define the order of XLA
# operations, and are not access tokens.
_ONLY_NAMES = (
    r"TensorSliceDataset:is_files|XlaCallModule:has_token_input_output|CTCBeamSearch\w+:top_paths"
    r"|\w*Xla\w+:sorted_token_ids|Cudnn\w+:host_reserved|TPUReplicateMetadata:host_compute_core"
    r"|(_Mkl|_Fused|_Quantized)\w*:\w*host\w*"
)


def test_no_operation_with_a_file_or_an_address_counts_as_pure():
    """The test checks all operations of the installed TensorFlow."""
    content = pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())
    operations = op_def_pb2.OpList.FromString(content).op
    assert len(operations) > 1500
    suspects = {
        f"{operation.name}:{name.name}"
        for operation in operations
        if is_pure(operation.name, stateful=operation.is_stateful)
        for name in (*operation.input_arg, *operation.attr)
        if _OUTSIDE.search(name.name)
    }
    assert {suspect for suspect in suspects if not re.fullmatch(_ONLY_NAMES, suspect)} == set()
