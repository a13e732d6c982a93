"""The backbone contract: what a SavedModel must have to be tuned here.

It is the TF-Hub "reusable SavedModel" interface for image feature vectors
(tensorflow.org/hub/reusable_saved_models): `obj(images, training=False)` maps float32 [B, H, W, 3]
in [-1, 1] to features float32 [B, D]; `obj.variables`, `obj.trainable_variables` and
`obj.regularization_losses` are lists. The argument `training` may be missing, as the interface says
and as it is in the collection's own SavedModels.
"""

import contextlib
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2, saved_object_graph_pb2, struct_pb2

from backbones.keras_models import HOW_TO_CONVERT, is_keras_export
from common.errors import InputError, one_line

# What the interface has -> what it is, and what kinds of node the members of a list are.
_INTERFACE = {
    "__call__": ("a function", ()),
    "variables": ("a list of variables", ("variable",)),
    "trainable_variables": ("a list of variables", ("variable",)),
    "regularization_losses": ("a list of functions", ("function", "bare_concrete_function")),
}
_LISTS = ("trackable_list_wrapper", "trackable_tuple_wrapper")


@dataclasses.dataclass(frozen=True)
class Shapes:
    """What a backbone takes and gives: images [B, height, width, 3] -> features [B, features]."""

    height: int
    width: int
    features: int


def read_shapes(directory: str | Path) -> Shapes:
    """Holds the SavedModel in `directory` to the contract, and reads H, W and D off its function.

    Neither weights nor graph are loaded: within `preprocessing_fn` that would make the backbone a
    part of the transform graph.

    Raises:
      InputError: it is no SavedModel, or does not have the interface.
    """
    graph = _read_object_graph(directory)
    children = {child.local_name: child.node_id for child in graph.nodes[0].children}
    missing = [name for name in _INTERFACE if name not in children]
    if missing:
        hint = HOW_TO_CONVERT if is_keras_export(children) else "export it with these attributes"
        raise InputError(
            f"{directory}: this SavedModel has no {', '.join(missing)}; expected the reusable "
            f"interface of TF-Hub feature vectors ({hint})"
        )
    for name, (expected, kinds) in _INTERFACE.items():
        if not _fits(graph, children[name], kinds):
            raise InputError(
                f"{directory}: in this SavedModel, {name} is not {expected}, which the reusable "
                "interface of TF-Hub feature vectors has; export it with one"
            )
    signatures = list(_signatures(graph, children["__call__"]))
    for images, features in signatures:
        if (
            images.dtype == tf.float32
            and images.shape.rank == 4
            and images.shape[0] is None
            and images.shape[1:].is_fully_defined()
            and images.shape[3] == 3
            and features.dtype == tf.float32
            and features.shape.rank == 2
            and features.shape[1]
        ):
            return Shapes(images.shape[1], images.shape[2], features.shape[1])
    found = dict.fromkeys(
        f"{_named(images)} -> {_named(features)}" for images, features in signatures
    )
    raise InputError(
        f"{directory}: this SavedModel maps {', '.join(found) or 'no one tensor to another'}; "
        "expected images, float32 (None, H, W, 3) of a fixed size and in batches of any -> "
        "features, float32 (None, D)"
    )


def check_backbone(directory: str | Path) -> Shapes:
    """Holds the SavedModel in `directory` to the contract, and loads it once.

    Loading reads all variables and compares their checksums, so that a damaged or incomplete
    SavedModel is refused before a run has begun, or an archive is kept.

    Raises:
      InputError: it does not have the interface, or cannot be loaded.
    """
    shapes = read_shapes(directory)
    load_backbone(directory)
    return shapes


def check_tunable(directory: str | Path) -> None:
    """Refuses a backbone that cannot be tuned as a whole, as none of its variables is trainable.

    The contract lets `trainable_variables` be empty: a head can be tuned on such a backbone, and
    the collection's classifiers are saved so.

    Raises:
      InputError: it cannot.
    """
    graph = _read_object_graph(directory)
    children = {child.local_name: child.node_id for child in graph.nodes[0].children}
    if not graph.nodes[children["trainable_variables"]].children:
        raise InputError(
            f"{directory}: this SavedModel has no trainable variables; expected some to tune the "
            "whole backbone; give --tune head, or export it with trainable_variables"
        )


def load_backbone(directory: str | Path) -> Any:
    """The object that is saved in `directory`, which has to keep the contract.

    Raises:
      InputError: it cannot be loaded.
    """
    try:
        return tf.saved_model.load(str(directory))
    except Exception as error:  # a rubbish graph can have TensorFlow raise anything, KeyError too
        raise InputError(
            f"{directory}: this SavedModel cannot be loaded ({one_line(error)}); expected one that "
            f"TensorFlow {tf.__version__} loads"
        ) from error


def call_backbone(backbone: Any, images: tf.Tensor, *, training: bool = False) -> tf.Tensor:
    """Features, float32 [B, D], of images, float32 [B, H, W, 3] in [-1, 1].

    Args:
      backbone: a restored object that keeps the contract.
      images: what it is called with.
      training: whether batch norms and dropout work as in training, where the backbone has any.
    """
    if "training" in inspect.signature(backbone.__call__).parameters:
        return backbone(images, training=training)
    return backbone(images)


_loaders: list[Callable[[str | Path], Any]] = [load_backbone]


def load_shared_backbone(directory: str | Path) -> Any:
    """As `load_backbone`, but within `share_backbone` the same object again.

    Transform traces `preprocessing_fn` several times, and to load a backbone takes seconds. What is
    kept is kept here, since TFX reloads the module of `preprocessing_fn`.
    """
    return _loaders[-1](directory)


@contextlib.contextmanager
def share_backbone() -> Iterator[None]:
    """Within it, `load_shared_backbone` keeps what it has loaded.

    Elsewhere nothing is kept: a Beam worker, which lives long, would hold a backbone that it needs
    no more.
    """
    _loaders.append(functools.lru_cache(maxsize=1)(load_backbone))
    try:
        yield
    finally:
        _loaders.pop()


def _read_object_graph(directory: str | Path) -> saved_object_graph_pb2.SavedObjectGraph:
    path = f"{directory}/saved_model.pb"
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            saved_model = saved_model_pb2.SavedModel.FromString(file.read())
        graph = saved_model.meta_graphs[0].object_graph_def
    except (tf.errors.OpError, DecodeError, IndexError) as error:
        raise InputError(f"{path}: not the file of a SavedModel; is it complete?") from error
    if any(child.node_id >= len(graph.nodes) for node in graph.nodes for child in node.children):
        raise InputError(f"{path}: is rubbish: it refers to objects that are not there")
    if not graph.nodes:
        raise InputError(f"{directory}: written by TensorFlow 1; expected a SavedModel of 2.x")
    return graph


def _fits(
    graph: saved_object_graph_pb2.SavedObjectGraph, number: int, members: tuple[str, ...]
) -> bool:
    """Whether a node is a list whose members are of these kinds; with no kinds, a function."""
    node = graph.nodes[number]
    if not members:
        return node.WhichOneof("kind") == "function"
    kinds = {graph.nodes[child.node_id].WhichOneof("kind") for child in node.children}
    return node.user_object.identifier in _LISTS and kinds.issubset(members)


def _signatures(
    graph: saved_object_graph_pb2.SavedObjectGraph, call: int
) -> Iterator[tuple[tf.TensorSpec, tf.TensorSpec]]:
    """First argument and result of each trace of the function that is node `call`."""
    for name in graph.nodes[call].function.concrete_functions:
        function = graph.concrete_functions[name]
        for positional in function.canonicalized_input_signature.tuple_value.values[:1]:
            for first in positional.tuple_value.values[:1]:
                result = function.output_signature
                if _is_spec(first) and _is_spec(result):
                    yield _spec(first), _spec(result)


def _is_spec(value: struct_pb2.StructuredValue) -> bool:
    return value.WhichOneof("kind") == "tensor_spec_value"


def _spec(value: struct_pb2.StructuredValue) -> tf.TensorSpec:
    spec = value.tensor_spec_value
    return tf.TensorSpec(tf.TensorShape(spec.shape), tf.as_dtype(spec.dtype))


def _named(spec: tf.TensorSpec) -> str:
    return f"{spec.dtype.name} {spec.shape}"
