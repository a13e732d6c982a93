"""Loads a SavedModel in a TensorFlow 1 Session, as servers do.

    python -P trainer/serving/session_model.py SAVED_MODEL…

This command prints the signatures of each model. If a server could not load a model, the command
prints the reason and ends with exit status 1.

TensorFlow Serving and TensorFlow's C, Java and Go interfaces import the graph of a SavedModel into
a Session, and run the graph's restore operation and initialization operation: see `LoadSavedModel`
in tensorflow/cc/saved_model/loader.cc. This module loads a SavedModel in the same way as a server,
but in Python, with `tf.compat.v1.saved_model.load`. `tf.saved_model.load` works differently: it
restores each object in the object graph of the SavedModel, and does not run the restore operation.
Some models can therefore be loaded by `tf.saved_model.load` but not by a server, and other models
by a server but not by `tf.saved_model.load`.

This file imports TensorFlow and NumPy but no code of this project, because servers do not have the
code of this project. `trainer.serving.serving_process` communicates with a process that runs this
file.
"""

import os
import pickle
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

if __name__ == "__main__":
    # If Keras is installed, TensorFlow imports Keras, which takes a second. The value None in
    # `sys.modules` makes the import of Keras fail, and TensorFlow then runs without Keras, as on a
    # server.
    sys.modules["keras"] = None  # type: ignore[assignment]

import numpy as np
import tensorflow as tf

_LOOKUP_TABLES = ("HashTable", "HashTableV2", "MutableHashTable", "MutableHashTableV2")


class SessionError(Exception):
    """An error for a model that cannot be loaded or run in a Session.

    The error message is a single line.
    """


class SessionModel:
    """A SavedModel, loaded in its own Session.

    Attributes:
      signatures: the names of the signatures, without the signatures that TensorFlow adds for
        internal use.
    """

    def __init__(self, directory: str) -> None:
        """
        Args:
          directory: the directory of the SavedModel.

        Raises:
          SessionError: the model cannot be loaded, or variables or tables of the model have no
            value after loading.
        """
        self._directory = directory
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        try:
            with graph.as_default():
                meta_graph = _load_without_warning(self._session, directory)
            missing = sorted(_uninitialized(self._session))
        except Exception as error:  # a corrupt graph can cause any exception
            self.close()
            raise SessionError(
                f"{directory}: cannot be loaded in a Session ({_line(error)})"
            ) from error
        if missing:
            self.close()
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise SessionError(
                f"{directory}: no value for {', '.join(missing[:3])}{more} after loading it in a "
                "Session"
            )
        self._signatures = dict(meta_graph.signature_def)
        self._signatures.pop("__saved_model_init_op", None)
        self._signatures.pop("__saved_model_train_op", None)
        self.signatures: Sequence[str] = sorted(self._signatures)

    def input_shapes(self, signature: str) -> dict[str, list[int | None]]:
        """Returns the shape of each input of a signature, with None for a dimension of any size."""
        inputs = self._signatures[signature].inputs
        return {name: tf.TensorShape(info.tensor_shape).as_list() for name, info in inputs.items()}

    def __call__(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Runs a signature; returns the outputs of the signature by name.

        An output of strings is an array of `bytes` objects.

        Args:
          signature: one of `signatures`.
          inputs: the value of each input, by name: an array, or, for an input of strings, a list of
            `bytes`.

        Raises:
          SessionError: the model has no such signature, or the signature fails.
        """
        if signature not in self._signatures:
            raise SessionError(
                f"{self._directory}: has no signature {signature}; found {self.signatures}"
            )
        definition = self._signatures[signature]
        if set(inputs) != set(definition.inputs):
            raise SessionError(
                f"{self._directory}: found the inputs {sorted(inputs)} for {signature}; expected "
                f"{sorted(definition.inputs)}"
            )
        feeds = {definition.inputs[name].name: value for name, value in inputs.items()}
        fetches = {name: info.name for name, info in definition.outputs.items()}
        try:
            return self._session.run(fetches, feeds)
        except (tf.errors.OpError, ValueError, TypeError) as error:
            raise SessionError(
                f"{self._directory}: {signature} fails in a Session ({_line(error)})"
            ) from error

    def close(self) -> None:
        """Frees the model's memory."""
        self._session.close()


def _load_without_warning(session: tf.compat.v1.Session, directory: str) -> Any:
    """Loads a model with `tf.compat.v1.saved_model.load`, and hides its deprecation warning.

    Returns:
      The MetaGraphDef.
    """
    level = tf.compat.v1.logging.get_verbosity()
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    try:
        return tf.compat.v1.saved_model.load(
            session, [tf.saved_model.SERVING], os.fspath(directory)
        )
    finally:
        tf.compat.v1.logging.set_verbosity(level)


def _uninitialized(session: tf.compat.v1.Session) -> Iterator[str]:
    """Yields the names of the graph's variables and lookup tables that have no value."""
    graph = session.graph
    operations = graph.get_operations()
    with graph.as_default():
        handles = [op for op in operations if op.type == "VarHandleOp"]
        checks = [tf.raw_ops.VarIsInitializedOp(resource=op.outputs[0]) for op in handles]
        for operation, is_initialized in zip(handles, session.run(checks), strict=True):
            if not is_initialized:
                yield operation.get_attr("shared_name").decode() or operation.name
        for operation in operations:
            if operation.type in _LOOKUP_TABLES and not _is_initialized(session, operation):
                yield operation.name


def _is_initialized(session: tf.compat.v1.Session, table: tf.Operation) -> bool:
    """Whether a lookup table is initialized.

    The function looks up an empty list of keys in the table. The look-up fails with
    FailedPreconditionError if the table is not initialized.
    """
    keys, values = (tf.as_dtype(table.get_attr(name)) for name in ("key_dtype", "value_dtype"))
    find = (
        tf.raw_ops.LookupTableFindV2
        if table.outputs[0].dtype == tf.resource
        else tf.raw_ops.LookupTableFind
    )
    found = find(
        table_handle=table.outputs[0],
        keys=tf.zeros([0], keys),
        default_value=tf.zeros([], values),
    )
    try:
        session.run(found)
    except tf.errors.FailedPreconditionError:
        return False
    return True


def _line(error: Exception) -> str:
    """Returns the message of an error as a single line of at most 300 characters."""
    text = " ".join(getattr(error, "message", str(error)).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:299]}…"


def answer_requests(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers pickled requests, one after the other, until the stream of requests ends.

    Before it reads the first request, this function writes the list of all top-level modules that
    the process has imported. When the parent process receives the list of modules, it knows that
    the import of TensorFlow is complete. A request is (directory, {signature: inputs}), or
    (directory, None) for the shapes of the model's inputs. An answer is ("answers", {signature:
    outputs}), ("answers", {signature: input shapes}) or ("error", message). A model stays loaded
    until there is a request for a different model.
    """
    modules = sorted({name.partition(".")[0] for name, module in sys.modules.items() if module})
    pickle.dump(modules, answers)
    answers.flush()
    loaded: tuple[str, SessionModel] | None = None
    while True:
        try:
            directory, inputs = pickle.load(requests)
        except EOFError:
            return
        try:
            if loaded is None or loaded[0] != directory:
                if loaded is not None:
                    loaded[1].close()
                    loaded = None
                loaded = directory, SessionModel(directory)
            model = loaded[1]
            reply: tuple[str, Any]
            if inputs is None:
                reply = "answers", {name: model.input_shapes(name) for name in model.signatures}
            else:
                reply = "answers", {name: model(name, given) for name, given in inputs.items()}
        except SessionError as error:
            reply = "error", str(error)
        pickle.dump(reply, answers)
        answers.flush()


def main(directories: Sequence[str]) -> int:
    """Prints the signatures of each model; returns the exit status."""
    if not directories:
        print(f"usage: python -P {__file__} SAVED_MODEL…", file=sys.stderr)
        return 2
    failed = False
    for directory in directories:
        try:
            model = SessionModel(directory)
        except SessionError as error:
            print(error, file=sys.stderr)
            failed = True
        else:
            print(f"{directory}: answers {', '.join(model.signatures)}")
            model.close()
    return int(failed)


if __name__ == "__main__":
    if sys.argv[1:] == ["--requests"]:
        # The parent process reads the answers from stdout, so everything that TensorFlow or a model
        # prints to stdout is redirected to stderr.
        with os.fdopen(os.dup(1), "wb") as stream:
            os.dup2(2, 1)
            answer_requests(sys.stdin.buffer, stream)
    else:
        sys.exit(main(sys.argv[1:]))
