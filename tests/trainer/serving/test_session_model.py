"""Tests of loading models in a Session, and of models that a Session cannot restore."""

import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.errors import InputError
from common.fingerprint import FIRST_PARTY
from common.saved_model import read_saved_model
from trainer.serving import serving_process, session_model
from trainer.serving.export import collect_state
from trainer.serving.serving_process import ServingProcess, serving_process_ahead
from trainer.serving.session_model import SessionError, SessionModel

DEFAULT = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY


@pytest.fixture(scope="module")
def complete_model(tmp_path_factory):
    """Writes a model that looks up a number for each word, and adds a variable to the number."""
    module = tf.Module()
    module.number = tf.Variable(5, dtype=tf.int64)
    entries = tf.lookup.KeyValueTensorInitializer(["one", "two"], tf.constant([1, 2], tf.int64))
    module.table = tf.lookup.StaticHashTable(entries, default_value=0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")])
    def add(words):
        tf.debugging.assert_none_equal(words, "bad")
        return {"sums": module.table.lookup(words) + module.number, "words": words}

    directory = tmp_path_factory.mktemp("complete_model")
    tf.saved_model.save(module, str(directory), signatures={DEFAULT: add, "other": add})
    return directory


def test_a_signature_answers(complete_model):
    model = SessionModel(str(complete_model))
    assert model.signatures == ["other", DEFAULT]
    assert model.input_shapes("other") == {"words": [None]}
    answers = model("other", {"words": [b"two", b"ten", "ü\0".encode()]})
    np.testing.assert_array_equal(answers["sums"], [7, 5, 5])
    assert list(answers["words"]) == [b"two", b"ten", "ü\0".encode()]


@pytest.mark.parametrize(
    ("signature", "inputs", "message"),
    [
        ("third", {}, "has no signature third; found "),
        (
            "other",
            {"word": [b"one"]},
            r"found the inputs \['word'\] for other; expected \['words'\]",
        ),
        ("other", {"words": [b"bad"]}, r"other fails in a Session \(.*assert"),
        ("other", {"words": np.zeros([2, 2])}, "other fails in a Session"),
    ],
)
def test_requests_that_fail(complete_model, signature, inputs, message):
    with pytest.raises(SessionError, match=message) as raised:
        SessionModel(str(complete_model))(signature, inputs)
    assert "\n" not in str(raised.value)


def test_a_keras_layer_is_not_restored(tmp_path):
    """`tf.saved_model.load` restores a Keras layer, but a Session does not.

    If a later TensorFlow restores Keras layers in a Session, `ServedClassifier` can be simpler.
    """
    module = tf.Module()
    module.layer = keras.layers.Dense(2, name="head")
    module.layer.build([None, 3])
    call = tf.function(
        lambda x: {"y": module.layer(x)}, input_signature=[tf.TensorSpec([None, 3], name="x")]
    )
    tf.saved_model.save(module, str(tmp_path), signatures=call)
    assert tf.saved_model.load(str(tmp_path)).signatures[DEFAULT](x=tf.zeros([1, 3]))["y"].shape
    with pytest.raises(SessionError, match=r"no value for .*bias, .*kernel after loading"):
        SessionModel(str(tmp_path))


def test_the_state_of_a_restored_module_is_exported_without_its_other_functions(tmp_path):
    """`ServedClassifier` exports a backbone with `collect_state`, which this test calls directly.

    The test module has a lookup table that reads its words from a file.
    """
    words = tmp_path / "words.txt"
    words.write_text("one\ntwo\n")
    module = tf.Module()
    module.part = tf.Module()
    module.part.number = tf.Variable(5, dtype=tf.int64)
    module.part.table = tf.lookup.StaticVocabularyTable(
        tf.lookup.TextFileInitializer(
            str(words),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        ),
        num_oov_buckets=1,
    )
    spec = tf.TensorSpec([None], tf.string, name="words")
    module.find = tf.function(
        lambda words: module.part.table.lookup(words) + module.part.number, input_signature=[spec]
    )
    module.train = tf.function(
        lambda words: module.part.number.assign_add(1), input_signature=[spec]
    )
    tf.saved_model.save(module, str(tmp_path / "backbone"))
    words.unlink()
    restored = tf.saved_model.load(str(tmp_path / "backbone"))

    exported = tf.Module()
    exported.backbone = collect_state(restored)
    call = tf.function(lambda words: {"numbers": restored.find(words)}, input_signature=[spec])
    tf.saved_model.save(exported, str(tmp_path / "exported"), signatures=call)
    answers = SessionModel(str(tmp_path / "exported"))(DEFAULT, {"words": [b"two", b"three"]})
    assert list(answers["numbers"]) == [6, 7]

    def operations(name):
        functions = read_saved_model(tmp_path / name).meta_graphs[0].graph_def.library.function
        return {node.op for function in functions for node in function.node_def}

    assert "AssignAddVariableOp" in operations("backbone") - operations("exported")


@pytest.mark.parametrize("is_filled", [True, False])
def test_a_table_without_an_initializer(tmp_path, is_filled):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(["one"], tf.constant([1])), -1, name="words"
        )
        words = tf.compat.v1.placeholder(tf.string, [None])
        signature = tf.compat.v1.saved_model.predict_signature_def(
            {"words": words}, {"numbers": table.lookup(words)}
        )
        builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "model"))
        builder.add_meta_graph_and_variables(
            session,
            [tf.saved_model.SERVING],
            {DEFAULT: signature},
            main_op=tf.compat.v1.tables_initializer() if is_filled else None,
        )
        builder.save()
    if is_filled:
        answers = SessionModel(str(tmp_path / "model"))(DEFAULT, {"words": [b"one", b"two"]})
        assert list(answers["numbers"]) == [1, -1]
    else:
        with pytest.raises(SessionError, match="no value for words after loading"):
            SessionModel(str(tmp_path / "model"))


def test_no_model_at_all(tmp_path):
    with pytest.raises(SessionError, match=r"cannot be loaded in a Session .*does not exist"):
        SessionModel(str(tmp_path))
    (tmp_path / "saved_model.pb").write_bytes(b"rubbish")
    with pytest.raises(SessionError, match="cannot be loaded in a Session"):
        SessionModel(str(tmp_path))


def test_the_command(complete_model, tmp_path, capsys):
    assert session_model.main([str(complete_model), str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out == f"{complete_model}: answers other, {DEFAULT}\n"
    assert err.startswith(f"{tmp_path}: cannot be loaded")
    assert session_model.main([str(complete_model)]) == 0
    assert session_model.main([]) == 2
    assert "usage: " in capsys.readouterr().err


def test_the_serving_process_does_not_import_the_project(server_process):
    assert "tensorflow" in server_process.modules
    ours = {*FIRST_PARTY, "tests", "tfx", "tensorflow_transform", "keras"}
    assert not ours & server_process.modules


def test_one_process_for_many_requests(server_process, complete_model, tmp_path):
    """The process answers several requests, and continues after an error."""
    inputs = {"other": {"words": [b"one"]}, DEFAULT: {"words": np.array([b"two", b"one"], object)}}
    expected = SessionModel(str(complete_model))
    shapes = {"words": [None]}
    assert server_process.input_shapes(complete_model) == {"other": shapes, DEFAULT: shapes}
    for _ in range(2):
        answers = server_process.ask(complete_model, inputs)
        for name, given in inputs.items():
            for key, value in expected(name, given).items():
                np.testing.assert_array_equal(answers[name][key], value)
        with pytest.raises(InputError, match="cannot be loaded in a Session"):
            server_process.ask(tmp_path, {})


def test_a_crash_of_the_process_is_an_error(tmp_path):
    """The first process ends at its start, as without TensorFlow. The second and the third process
    end during a request."""
    python = tmp_path / "python"
    ready = "import pickle; pickle.dump([], sys.stdout.buffer); sys.stdout.flush(); input()"
    for code, message in [
        ("sys.exit('ModuleNotFoundError')", r"TensorFlow: .*status 1 \(ModuleNotFound"),
        (f"{ready}; sys.exit('terminate called')", r"/m: .*status 1 \(terminate called"),
        (f"{ready}; import os; os.abort()", r"/m: .*status -6 \(without a message"),
    ]:
        python.write_text(f"#!{sys.executable}\nimport sys\n{code}\n")
        python.chmod(0o755)
        with pytest.raises(InputError, match=message), ServingProcess(python) as process:
            process.ask("/m", {"\n": {}})


def test_a_process_that_was_started_ahead_is_used_once(tmp_path, monkeypatch):
    python, starts = tmp_path / "python", tmp_path / "starts"
    python.write_text(
        f"#!{sys.executable}\nimport pickle, sys\nopen({str(starts)!r}, 'a').write('1')\n"
        "pickle.dump([], sys.stdout.buffer)\nsys.stdout.flush()\ninput()\n"
    )
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with serving_process_ahead() as start:
        start()
        for expected in ("1", "11"):
            with ServingProcess(sys.executable, on_cpu=True):
                assert starts.read_text() == expected
        start()
        (unused,) = serving_process._ahead.values()
    assert unused.process.returncode == -signal.SIGKILL
    assert not serving_process._ahead


def test_the_script_runs_by_its_path(project, complete_model, tmp_path):
    """Python needs -P, because modules in the script's folder have names of standard modules."""
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            project / "trainer" / "serving" / "session_model.py",
            str(complete_model),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{complete_model}: answers other, {DEFAULT}\n"
