"""The backbone contract: the interface that a SavedModel needs so that the pipeline can tune it.

The contract is TF-Hub's "reusable SavedModel" interface for image feature vectors
(tensorflow.org/hub/reusable_saved_models). For a loaded SavedModel `obj`, `obj(images,
training=False)` maps images, float32 [B, H, W, 3] in [-1, 1], to features, float32 [B, D]. The
attributes `obj.variables`, `obj.trainable_variables` and `obj.regularization_losses` are lists. The
argument `training` is optional: the SavedModels of the TF-Hub collection
sayakpaul/vision_transformer do not have it.
"""

import contextlib
import dataclasses
import inspect
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import tensorflow as tf
from tensorflow.core.protobuf import saved_object_graph_pb2, struct_pb2

from backbones.keras_models import HOW_TO_CONVERT, is_keras_export
from common.errors import InputError, one_line
from common.saved_model import read_saved_model
from common.shared_objects import SharedObjects

_Made = TypeVar("_Made")

# For each attribute that the backbone contract requires: its description in error messages and, if
# the attribute is a list, the kinds of objects that the list may contain.
_INTERFACE = {
    "__call__": ("a function", ()),
    "variables": ("a list of variables", ("variable",)),
    "trainable_variables": ("a list of variables", ("variable",)),
    "regularization_losses": ("a list of functions", ("function", "bare_concrete_function")),
}
_LISTS = ("trackable_list_wrapper", "trackable_tuple_wrapper")


@dataclasses.dataclass(frozen=True)
class Shapes:
    """The shapes of a backbone: images [B, height, width, 3] and features [B, features]."""

    height: int
    width: int
    features: int


def read_shapes(directory: str | Path) -> Shapes:
    """Checks that the SavedModel in `directory` satisfies the contract, and returns its shapes.

    The function only reads `saved_model.pb`, and does not load the backbone, because
    `preprocessing_fn` calls this function: a backbone that is loaded inside `preprocessing_fn`
    would become part of the transform graph.

    Raises:
      InputError: the directory is not a SavedModel, or the SavedModel does not satisfy the
        contract.
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
        if not _has_kind(graph, children[name], kinds):
            raise InputError(
                f"{directory}: in this SavedModel, {name} is not {expected}; expected the reusable "
                "interface of TF-Hub feature vectors; export it with this attribute"
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
        f"{_format_spec(images)} -> {_format_spec(features)}" for images, features in signatures
    )
    raise InputError(
        f"{directory}: the functions of this SavedModel map {', '.join(found) or 'no tensor'}; "
        "expected images, float32 (None, H, W, 3) with fixed H and W and any batch size -> "
        "features, float32 (None, D)"
    )


def check_tunable(directory: str | Path) -> None:
    """Checks that a backbone has trainable variables, so that it can be tuned as a whole.

    The contract allows the list `trainable_variables` to be empty, as it is in the classifiers of
    the TF-Hub collection. A backbone without trainable variables cannot be tuned, but the pipeline
    can train a head on its features.

    Raises:
      InputError: the backbone has no trainable variables.
    """
    graph = _read_object_graph(directory)
    children = {child.local_name: child.node_id for child in graph.nodes[0].children}
    if not graph.nodes[children["trainable_variables"]].children:
        raise InputError(
            f"{directory}: this SavedModel has no trainable variables, which --tune full needs; "
            "give --tune head, or export the model with trainable_variables"
        )


def read_variables(directory: str | Path) -> list[tuple[str, tuple[int, ...]]]:
    """Returns the name (without `:0`) and the shape of each variable of a backbone.

    The function reads only `saved_model.pb`, and does not load the values of the variables.

    Args:
      directory: the directory of a SavedModel that satisfies the contract.
    """
    graph = _read_object_graph(directory)
    children = {child.local_name: child.node_id for child in graph.nodes[0].children}
    # A SavedModel stores the members of a list under the names "0", "1", "2" and so on.
    members = sorted(graph.nodes[children["variables"]].children, key=lambda m: int(m.local_name))
    variables = (graph.nodes[member.node_id].variable for member in members)
    return [(v.name, tuple(tf.TensorShape(v.shape).as_list())) for v in variables]


def load_backbone(directory: str | Path) -> Any:
    """Loads the SavedModel in `directory`, which must satisfy the contract.

    Raises:
      InputError: the SavedModel cannot be loaded.
    """
    try:
        return tf.saved_model.load(str(directory))
    # If the graph is corrupt, TensorFlow may raise any exception, for example KeyError.
    except Exception as error:
        raise InputError(
            f"{directory}: this SavedModel cannot be loaded ({one_line(error)}); expected one that "
            f"TensorFlow {tf.__version__} loads"
        ) from error


def call_backbone(backbone: Any, images: tf.Tensor, *, training: bool = False) -> tf.Tensor:
    """Computes features, float32 [B, D], of images.

    Args:
      backbone: a restored object that satisfies the contract.
      images: float32 [B, H, W, 3] in [-1, 1].
      training: whether batch normalisation and dropout, if the backbone has them, work as in
        training.
    """
    if "training" in inspect.signature(backbone.__call__).parameters:
        return backbone(images, training=training)
    return backbone(images)


# The shared objects are stored in this module, and not in the module of `preprocessing_fn`, because
# TFX reloads the module of `preprocessing_fn`, and reloading would discard the shared objects.
_shared = SharedObjects()


def load_shared_backbone(directory: str | Path) -> Any:
    """Calls `load_backbone`; inside the context `share_backbone`, loads each backbone only once.

    Transform traces `preprocessing_fn` several times. Outside the context `share_backbone`, each
    trace would load the backbone again, which takes seconds.
    """
    return make_shared(str(directory), lambda: load_backbone(directory))


def make_shared(key: Hashable, make: Callable[[], _Made]) -> _Made:
    """Returns `make()`.

    Inside the context `share_backbone`, the function calls `make` only once for each key, and then
    returns the same object again.
    """
    return _shared.get(key, make)


@contextlib.contextmanager
def share_backbone() -> Iterator[None]:
    """A context in which `load_shared_backbone` and `make_shared` create each object only once."""
    with _shared.keep():
        yield


def _read_object_graph(directory: str | Path) -> saved_object_graph_pb2.SavedObjectGraph:
    graph = read_saved_model(directory).meta_graphs[0].object_graph_def
    if any(child.node_id >= len(graph.nodes) for node in graph.nodes for child in node.children):
        raise InputError(
            f"{directory}/saved_model.pb: corrupt SavedModel (it refers to objects that do not "
            "exist); export or download it again"
        )
    if not graph.nodes:
        raise InputError(
            f"{directory}: written by TensorFlow 1; expected a SavedModel of TensorFlow 2"
        )
    return graph


def _has_kind(
    graph: saved_object_graph_pb2.SavedObjectGraph, number: int, members: tuple[str, ...]
) -> bool:
    """Whether a node of the object graph is of the expected kind.

    The expected kind is a function if `members` is empty. If `members` is not empty, the expected
    kind is a list whose members all have one of the kinds in `members`.
    """
    node = graph.nodes[number]
    if not members:
        return node.WhichOneof("kind") == "function"
    kinds = {graph.nodes[child.node_id].WhichOneof("kind") for child in node.children}
    return node.user_object.identifier in _LISTS and kinds.issubset(members)


def _signatures(
    graph: saved_object_graph_pb2.SavedObjectGraph, call: int
) -> Iterator[tuple[tf.TensorSpec, tf.TensorSpec]]:
    """Yields the TensorSpecs of the first argument and of the result for each trace of a function.

    `call` is the index of the function's node in `graph.nodes`.
    """
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


def _format_spec(spec: tf.TensorSpec) -> str:
    return f"{spec.dtype.name} {spec.shape}"
