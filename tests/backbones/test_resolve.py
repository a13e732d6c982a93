import dataclasses
import errno
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from backbones import conversion
from backbones.augreg.checkpoint import infer_architecture, load_checkpoint
from backbones.augreg.initialization import random_arrays
from backbones.catalogue import MODELS, Model, Variant
from backbones.publishers import PUBLIC, DownloadLocations
from backbones.resolve import cache_dir, check_model, is_cached, resolve
from common.errors import InputError
from tests.backbones.scripted_server import Answer, archive, files_of, random_bytes
from tests.conftest import TINY

KAGGLE = "/api/v1/models/spsayakpaul/vision-transformer/tensorFlow2/vit-b16-fe/1/download"
TFHUB = "/sayakpaul/vit_b16_fe/1?tf-hub-format=compressed"
AUGREG = f"/vit_models/augreg/{MODELS['vit_b16_fe'].variant.checkpoint}"

RESOLVE = (
    "import sys; from pathlib import Path; from backbones.resolve import resolve; "
    "from backbones.publishers import DownloadLocations; "
    "locations = DownloadLocations(kaggle=sys.argv[2], tfhub=sys.argv[2], storage=sys.argv[2]); "
    "cache = Path(sys.argv[1]); "
    "print(resolve('vit_b16_fe', weights='pretrained', cache=cache, locations=locations))"
)
# Resolving a cached SavedModel must not import TensorFlow, because the import takes seconds.
QUICK = f"{RESOLVE}; assert 'tensorflow' not in sys.modules"


def resolve_model(model, cache, weights="pretrained", locations=PUBLIC, task="fe"):
    check_model(model, weights, task=task)
    return resolve(model, weights=weights, cache=cache, locations=locations)


def saved_models(cache):
    return list(cache.rglob("saved_model.pb"))


@pytest.fixture(autouse=True)
def no_hub_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))


@pytest.fixture
def locations(server):
    return DownloadLocations(kaggle=server.url, tfhub=server.url, storage=server.url)


@pytest.fixture(scope="module")
def packed(tiny_backbone):
    """Returns the archive of a SavedModel, large enough that a test can kill its download."""
    return archive(files_of(tiny_backbone) | {"assets/padding": random_bytes(300_000)})


@pytest.fixture
def golden(project):
    """Returns a small AugReg checkpoint with a classifier head."""
    folder = project / "tests" / "backbones" / "augreg" / "golden"
    return folder / "tiny_plain.params.npz"


@pytest.fixture
def tiny_entries(golden, monkeypatch):
    """Adds two models like `golden` to the catalogue; returns their common architecture."""
    architecture = infer_architecture(load_checkpoint(golden))
    variant = Variant(title="tiny", architecture=architecture, checkpoint="tiny.npz")
    for task in ("fe", "classification"):
        entry = Model(name=f"tiny_{task}", task=task, variant=variant)
        monkeypatch.setitem(MODELS, entry.name, entry)
    return architecture


def test_a_saved_model_directory_is_used_directly(tiny_backbone, tmp_path):
    assert resolve_model(str(tiny_backbone), tmp_path) == tiny_backbone


def test_a_random_model_is_made_once(tmp_path):
    first = resolve_model("vit_mini_fe", tmp_path)
    written = (first / "saved_model.pb").stat().st_mtime_ns
    assert resolve_model("vit_mini_fe", tmp_path) == first
    assert (first / "saved_model.pb").stat().st_mtime_ns == written


def test_a_random_model_changes_with_the_catalogue_and_the_seed(tmp_path, monkeypatch):
    entry = MODELS["vit_mini_fe"]
    made = {resolve_model("vit_mini_fe", tmp_path)}
    smaller = dataclasses.replace(entry.variant.architecture, depth=1)
    other = dataclasses.replace(
        entry, variant=dataclasses.replace(entry.variant, architecture=smaller)
    )
    monkeypatch.setitem(MODELS, entry.name, other)
    directory = resolve_model("vit_mini_fe", tmp_path)
    variables = tf.saved_model.load(str(directory)).variables
    assert sum(v.shape.num_elements() for v in variables) == smaller.parameter_count
    made.add(directory)
    monkeypatch.setattr(conversion, "_SEED", 1)
    made.add(resolve_model("vit_mini_fe", tmp_path))
    assert len(made) == len(saved_models(tmp_path)) == 3
    assert all(directory.name.startswith("vit_mini_fe-float32-") for directory in made)


def test_a_killed_conversion_leaves_no_visible_model(tmp_path, project, golden):
    """The process is killed after it has written all files, and before it renames their folder."""
    code = (
        "import os, signal, sys; from pathlib import Path; import tensorflow as tf; "
        "from backbones.resolve import resolve; "
        "save = tf.saved_model.save; tf.saved_model.save = lambda *arguments, **options: "
        "(save(*arguments, **options), os.kill(os.getpid(), signal.SIGKILL)); "
        "resolve(sys.argv[1], weights='pretrained', cache=Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, str(golden), str(tmp_path)]
    killed = subprocess.run(command, cwd=project, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = saved_models(tmp_path)
    assert left.parent.parent.name.startswith(".tiny_plain.params-fe-float32-")
    assert list((tmp_path / "converted").glob("[!.]*")) == []
    directory = resolve_model(str(golden), tmp_path)
    assert saved_models(tmp_path) == [directory / "saved_model.pb"]
    assert tf.saved_model.load(str(directory))(tf.zeros([1, 64, 64, 3])).shape == (1, 48)


def test_two_processes_make_a_model_once(tmp_path, project):
    """A process waits while another process makes the same model, and then uses that model."""
    directory = resolve_model("vit_mini_fe", tmp_path / "elsewhere")
    target = tmp_path / "cache" / "random" / directory.name
    target.parent.mkdir(parents=True)
    code = (
        "import sys; from pathlib import Path; from backbones.resolve import resolve; "
        "print(resolve('vit_mini_fe', weights='random', cache=Path(sys.argv[1])))"
    )
    with (target.parent / f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "cache")],
            cwd=project,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(timeout=10)
        directory.rename(target)
        written = (target / "saved_model.pb").stat().st_mtime_ns
    assert second.communicate(timeout=60)[0].strip() == str(target)
    assert (target / "saved_model.pb").stat().st_mtime_ns == written


def test_random_weights_of_a_named_architecture(tmp_path):
    directory = resolve_model("vit_s16_fe", tmp_path, weights="random")
    model = tf.saved_model.load(str(directory))
    count = sum(variable.shape.num_elements() for variable in model.variables)
    assert count == MODELS["vit_s16_fe"].architecture.parameter_count


def test_an_augreg_checkpoint_is_converted_once(tmp_path, golden):
    directory = resolve_model(str(golden), tmp_path)
    assert tf.saved_model.load(str(directory))(tf.zeros([1, 64, 64, 3])).shape == (1, 48)
    assert resolve_model(str(golden), tmp_path) == directory


def test_a_checkpoint_has_a_conversion_for_each_task(tmp_path, project):
    golden = next((project / "tests" / "backbones" / "augreg").rglob("tiny_plain.params.npz"))
    check_model(str(golden), "pretrained", task="classification")
    for task, outputs in (("fe", 48), ("classification", 7)):
        directory = resolve(str(golden), weights="pretrained", cache=tmp_path, task=task)
        assert tf.saved_model.load(str(directory))(tf.zeros([1, 64, 64, 3])).shape == (1, outputs)


def test_an_augreg_checkpoint_is_converted_again_if_the_code_changes(tmp_path, golden, monkeypatch):
    (tmp_path / "X.NPZ").write_bytes(golden.read_bytes())
    before = resolve_model(str(tmp_path / "X.NPZ"), tmp_path)
    monkeypatch.setattr(conversion.fingerprint, "hash_code", lambda *_: "0" * 64)
    after = resolve_model(str(tmp_path / "X.NPZ"), tmp_path)
    assert after != before
    assert len(saved_models(tmp_path)) == 2


def test_a_checkpoint_in_mixed_precision(tmp_path, golden):
    plain, mixed = (
        resolve(str(golden), weights="pretrained", cache=tmp_path, precision=precision)
        for precision in ("float32", "mixed_bfloat16")
    )
    images = tf.random.stateless_uniform([1, 64, 64, 3], [0, 0], -1, 1)
    outputs = [tf.saved_model.load(str(directory))(images) for directory in (plain, mixed)]
    assert 1e-6 < tf.reduce_max(tf.abs(outputs[0] - outputs[1])) < 0.2


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"rubbish")
    with pytest.raises(InputError, match=r"bad\.npz"):
        resolve_model(str(tmp_path / "bad.npz"), tmp_path / "cache")


def test_a_named_model_is_taken_from_the_cache(tiny_backbone, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "vit_b16_fe").symlink_to(tiny_backbone)
    assert is_cached(MODELS["vit_b16_fe"], tmp_path)
    assert not is_cached(MODELS["vit_b8_fe"], tmp_path)
    assert resolve_model("vit_b16_fe", tmp_path) == tmp_path / "models" / "vit_b16_fe"


def test_a_name_is_taken_from_the_cache_of_tensorflow_hub(tiny_backbone, tmp_path):
    hub = tmp_path / "hub"
    hub.mkdir()
    key = hashlib.sha1(MODELS["vit_b16_fe"].handle.encode()).hexdigest()
    (hub / key).symlink_to(tiny_backbone)
    assert is_cached(MODELS["vit_b16_fe"], tmp_path)
    assert resolve_model("vit_b16_fe", tmp_path) == hub / key
    assert resolve_model(MODELS["vit_b16_fe"].handle, tmp_path) == hub / key


@pytest.mark.skipif(os.getuid() != 0, reason="only root can change the owner of a directory")
def test_another_users_model_in_the_cache_of_tensorflow_hub_is_not_used(tiny_backbone, tmp_path):
    """By default, the cache of TensorFlow Hub is in /tmp, where any user can put a model."""
    key = hashlib.sha1(MODELS["vit_b16_fe"].handle.encode()).hexdigest()
    model = shutil.copytree(tiny_backbone, tmp_path / "hub" / key)
    assert is_cached(MODELS["vit_b16_fe"], tmp_path)
    os.chown(model, 12345, -1)
    assert not is_cached(MODELS["vit_b16_fe"], tmp_path)


def test_a_named_model_is_downloaded_from_kaggle_once(server, locations, tmp_path, packed):
    server.answer(KAGGLE, Answer(body=packed))
    directory = resolve_model("vit_b16_fe", tmp_path, locations=locations)
    assert directory == tmp_path / "models" / "vit_b16_fe"
    assert is_cached(MODELS["vit_b16_fe"], tmp_path)
    assert resolve_model("vit_b16_fe", tmp_path, locations=locations) == directory
    assert server.paths == [KAGGLE]
    assert list((tmp_path / "downloaded").glob("[!.]*")) == []


@pytest.mark.parametrize(
    "body",
    [b"<html>Log in!</html>", archive({"saved_model.pb": b"rubbish"})],
    ids=["web page", "rubbish in an archive"],
)
def test_a_named_model_is_downloaded_from_tfhub_if_kaggle_fails(
    server, locations, tmp_path, *, packed, tiny_backbone, body
):
    server.answer(KAGGLE, Answer(body=body))
    server.answer(TFHUB, Answer(body=packed))
    directory = resolve_model("vit_b16_fe", tmp_path, locations=locations)
    assert files_of(directory).items() >= files_of(tiny_backbone).items()
    assert server.paths == [KAGGLE, TFHUB]


def test_unusable_archives_are_named_and_removed(server, locations, tmp_path, tiny_backbone):
    model = files_of(tiny_backbone)
    del model["variables/variables.data-00000-of-00001"]
    server.answer(KAGGLE, Answer(body=archive(model)))
    server.answer(TFHUB, Answer(body=archive({"saved_model.pb": b"rubbish"})))
    with pytest.raises(InputError) as error:
        resolve_model("vit_b16_fe", tmp_path, locations=locations)
    unfit, message = "the server sent an archive with an unusable SavedModel", str(error.value)
    assert f"{KAGGLE}: {unfit} (this SavedModel cannot be loaded" in message
    # the message hides the query string, which may contain a signature
    shown = TFHUB.partition("?")[0] + "?…"
    assert f"{shown}: {unfit} (saved_model.pb: missing or corrupt" in message
    assert f"{AUGREG}: HTTP 404" in message
    assert "\n" not in message
    assert saved_models(tmp_path) == []
    assert not is_cached(MODELS["vit_b16_fe"], tmp_path)


def test_a_named_model_is_converted_from_augreg_if_both_downloads_fail(
    server, locations, tmp_path, golden, tiny_entries
):
    server.answer("/vit_models/augreg/tiny.npz", Answer(body=golden.read_bytes()))
    directory = resolve_model("tiny_fe", tmp_path, locations=locations)
    assert directory.parent == tmp_path / "converted"
    assert tf.saved_model.load(str(directory))(tf.zeros([1, 64, 64, 3])).shape == (1, 48)
    assert len(server.requests) == 3
    assert is_cached(MODELS["tiny_fe"], tmp_path)
    assert resolve_model("tiny_fe", tmp_path, locations=locations) == directory
    classifier = resolve_model(
        "tiny_classification", tmp_path, locations=locations, task="classification"
    )
    logits = tf.saved_model.load(str(classifier))(tf.zeros([1, 64, 64, 3]))
    assert logits.shape == (1, tiny_entries.classes)
    assert len(server.requests) == 3  # no new request: the checkpoint is in the cache


@pytest.mark.parametrize("content", ["nothing", "rubbish", "another"])
def test_an_unusable_cached_checkpoint_is_renamed(
    server, locations, tmp_path, *, packed, golden, content
):
    """An unusable checkpoint is renamed, but not deleted, since a person may have put it there.

    After the renaming, the model is requested from all hosts.
    """
    name = MODELS["vit_b16_fe"].variant.checkpoint
    kept = tmp_path / "checkpoints" / name
    kept.parent.mkdir()
    kept.write_bytes({"nothing": b"", "rubbish": b"PK", "another": golden.read_bytes()}[content])
    assert is_cached(MODELS["vit_b16_fe"], tmp_path) == (content == "another")
    with pytest.raises(InputError) as error:
        resolve_model("vit_b16_fe", tmp_path, locations=locations)
    assert server.paths == [KAGGLE, TFHUB, AUGREG]
    message = str(error.value)
    assert f"{kept}: " in message
    assert f"the file was renamed to {name}.unfit" in message
    assert "the server sent another file" not in message
    assert "\n" not in message
    assert [path.name for path in kept.parent.glob("[!.]*")] == [f"{name}.unfit"]
    assert not is_cached(MODELS["vit_b16_fe"], tmp_path)
    server.answer(KAGGLE, Answer(body=packed))
    assert (
        resolve_model("vit_b16_fe", tmp_path, locations=locations)
        == tmp_path / "models" / "vit_b16_fe"
    )


def test_an_unusable_downloaded_checkpoint_is_replaced(server, locations, tmp_path, golden):
    url = server.answer("/x.npz", Answer(body=golden.read_bytes()))
    resolve_model(url, tmp_path, locations=locations)
    (kept,) = (tmp_path / "downloaded").glob("*.npz")
    kept.write_bytes(b"PK")
    assert resolve_model(url, tmp_path, locations=locations).parent == tmp_path / "converted"
    assert kept.read_bytes() == golden.read_bytes()
    kept.write_bytes(b"PK")
    server.answer("/x.npz", Answer(status=404))
    with pytest.raises(InputError, match=f"HTTP 404.*; {kept}: .*renamed") as error:
        resolve_model(url, tmp_path, locations=locations)
    assert "\n" not in str(error.value)


def test_a_checkpoint_without_a_head_is_kept_for_feature_extraction(server, locations, tmp_path):
    np.savez(tmp_path / "headless.npz", **random_arrays(TINY, seed=0))
    body = (tmp_path / "headless.npz").read_bytes()
    url = server.answer("/m.npz", Answer(body=body))
    first = resolve_model(url, tmp_path / "cache", locations=locations)
    expected = f"--model {url}: .*expected a head, which a classifier needs"
    with pytest.raises(InputError, match=expected) as error:
        resolve(
            url,
            weights="pretrained",
            cache=tmp_path / "cache",
            locations=locations,
            task="classification",
        )
    assert "the server sent" not in str(error.value)
    assert "\n" not in str(error.value)
    assert resolve_model(url, tmp_path / "cache", locations=locations) == first
    assert len(server.requests) == 1


@pytest.mark.parametrize("is_rubbish", [True, False])
def test_a_checkpoint_of_another_architecture_is_refused(
    server, locations, tmp_path, golden, is_rubbish
):
    body = b"<html>" if is_rubbish else golden.read_bytes()
    server.answer(AUGREG, Answer(body=body))
    expected = (
        "not an .npz archive"
        if is_rubbish
        else "image_size 64, width 48, .*; expected image_size 224, width 768, "
    )
    with pytest.raises(InputError, match=f"another file than the expected checkpoint .*{expected}"):
        resolve_model("vit_b16_fe", tmp_path, locations=locations)
    assert saved_models(tmp_path) == []
    assert not list(tmp_path.rglob("*.npz"))
    assert not is_cached(MODELS["vit_b16_fe"], tmp_path)


def test_a_killed_download_is_resumed(server, locations, tmp_path, project, packed):
    server.answer(KAGGLE, Answer(body=packed, pace=100_000), Answer(body=packed))
    first = subprocess.Popen(
        [sys.executable, "-c", RESOLVE, str(tmp_path), server.url], cwd=project
    )
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        parts = [part for part in tmp_path.rglob("*.part") if part.stat().st_size > 20_000]
        if parts:
            break
        time.sleep(0.01)
    first.kill()
    assert first.wait() == -9
    size = parts[0].stat().st_size
    assert not is_cached(MODELS["vit_b16_fe"], tmp_path)
    assert saved_models(tmp_path) == []
    resolve_model("vit_b16_fe", tmp_path, locations=locations)
    assert server.ranges == [None, f"bytes={size}-"]
    assert not list(tmp_path.rglob("*.part*"))


def test_remains_of_a_killed_unpacking_are_removed(server, locations, tmp_path, packed):
    left = tmp_path / "models" / ".vit_b16_fe.abc"
    left.mkdir(parents=True)
    (left / "saved_model.pb").write_bytes(b"")
    server.answer(KAGGLE, Answer(body=packed))
    resolve_model("vit_b16_fe", tmp_path, locations=locations)
    assert not left.exists()


def test_two_processes_download_a_named_model_once(server, tmp_path, project, packed):
    server.answer(KAGGLE, Answer(body=packed, pace=200_000))
    command = [sys.executable, "-c", RESOLVE, str(tmp_path), server.url]
    processes = [
        subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    answers = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert answers == {str(tmp_path / "models" / "vit_b16_fe")}
    assert server.paths == [KAGGLE]
    subprocess.run([sys.executable, "-c", QUICK, *command[3:]], cwd=project, check=True)


def test_other_files_in_the_models_folder_are_named(locations, tmp_path, server):
    (tmp_path / "models" / "vit_b16_fe" / "variables").mkdir(parents=True)
    with pytest.raises(InputError, match=r"models/vit_b16_fe has files, but no saved_model\.pb"):
        resolve_model("vit_b16_fe", tmp_path, locations=locations)
    assert server.requests == []


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("spsayakpaul/vision-transformer/tensorFlow2/vit-b16-fe", KAGGLE),
        ("https://tfhub.dev/sayakpaul/vit_b16_fe/1", TFHUB),
        ("{server}/a/model.tar.gz", "/a/model.tar.gz"),
        ("gs://bucket/model.tar.gz", "/bucket/model.tar.gz"),
    ],
)
def test_addresses(server, locations, tmp_path, *, model, path, packed):
    server.answer(path, Answer(body=packed))
    model = model.format(server=server.url)
    directory = resolve_model(model, tmp_path, locations=locations)
    assert directory.parent == tmp_path / "downloaded"
    assert resolve_model(model, tmp_path, locations=locations) == directory
    assert server.paths == [path]


def test_a_path_goes_before_a_kaggle_handle(tiny_backbone, tmp_path, monkeypatch):
    handle = "owner/model/tensorFlow2/variation"
    (tmp_path / handle).parent.mkdir(parents=True)
    (tmp_path / handle).symlink_to(tiny_backbone)
    monkeypatch.chdir(tmp_path)
    assert resolve_model(handle, tmp_path) == tiny_backbone


def test_the_address_of_a_checkpoint(server, locations, tmp_path, golden):
    server.answer("/bucket/x.npz", Answer(body=golden.read_bytes()))
    for model in ("gs://bucket/x.npz", f"{server.url}/bucket/x.npz"):
        directory = resolve_model(model, tmp_path, locations=locations)
        assert directory.parent == tmp_path / "converted"
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", ["model.tar.gz", "model.npz"])
@pytest.mark.parametrize(
    "body",
    [b"", b"<html></html>", random_bytes(999), archive({"saved_model.pb": b"rubbish"})],
    ids=["nothing", "web page", "garbage", "rubbish in an archive"],
)
def test_rubbish_leaves_nothing_behind(server, locations, tmp_path, name, body):
    url = server.answer(f"/{name}", Answer(body=body))
    with pytest.raises(InputError, match=f"{url}: the server sent") as error:
        resolve_model(url, tmp_path, locations=locations)
    assert "\n" not in str(error.value)
    assert list((tmp_path / "downloaded").glob("[!.]*")) == []


def test_a_cache_that_cannot_be_written(locations, tmp_path):
    (tmp_path / "cache").write_text("")
    for model in ("vit_b16_fe", "vit_mini_fe", "gs://bucket/x.npz"):
        with pytest.raises(InputError, match=f"{tmp_path}/cache"):
            resolve_model(model, tmp_path / "cache", locations=locations)


def test_a_checkpoint_that_cannot_be_read(tmp_path, golden, monkeypatch):
    """The error is simulated, because the test may run as root, who can read every file."""
    opened = Path.open

    def refuse(path, *arguments, **options):
        if path == golden:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=f"{golden}: cannot be read .Permission denied.") as error:
        resolve_model(str(golden), tmp_path)
    assert "VIT_HOME" not in str(error.value)
    assert "\n" not in str(error.value)


def test_the_error_without_a_network_names_all_attempts_and_a_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # no server listens on this port
    started = time.monotonic()
    with pytest.raises(InputError) as error:
        resolve_model("vit_b16_fe", tmp_path)
    assert time.monotonic() - started < 10
    message = str(error.value)
    assert f"{tmp_path}/models/vit_b16_fe" in message
    assert "https://www.kaggle.com/api/v1/models/spsayakpaul/vision-transformer/" in message
    assert "https://tfhub.dev/sayakpaul/vit_b16_fe/1" in message
    assert "https://storage.googleapis.com/vit_models/augreg/B_16-i21k" in message
    assert message.count("connection refused") == 3
    assert "--weights random" in message
    assert "\n" not in message


def test_a_url_that_cannot_be_reached(tmp_path):
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:9/model"):
        resolve_model("http://127.0.0.1:9/model.tar.gz", tmp_path)


@pytest.mark.parametrize(
    ("model", "weights", "expected"),
    [
        ("vit_b17_fe", "pretrained", "no such model in the catalogue and no such path"),
        ("vit_b16_classification", "pretrained", "such as vit_b16_fe"),
        ("https://", "pretrained", "not an address"),
        ("https://www.kaggle.com/models/o/m", "pretrained", "not a variation of a model"),
        ("/tmp", "pretrained", "no SavedModel"),
        ("/tmp", "random", "expected a catalogue name"),
        ("a" * 300, "pretrained", "no such model in the catalogue and no such path"),
        ("a\0b", "pretrained", "no such model in the catalogue and no such path"),
    ],
)
def test_unknown_models_are_refused_before_a_download(model, weights, expected):
    with pytest.raises(InputError, match=expected):
        check_model(model, weights)


def test_the_message_about_a_serving_directory_names_its_newest_version(tmp_path, tiny_backbone):
    for version in ("9", "10"):
        shutil.copytree(tiny_backbone, tmp_path / version)
    (tmp_path / "11").mkdir()
    shutil.copytree(tiny_backbone, tmp_path / "1²")  # is a digit for str.isdigit, but not for int
    with pytest.raises(InputError, match=rf"did you mean {tmp_path}/10\?$"):
        check_model(str(tmp_path), "pretrained")


def test_an_address_may_be_longer_than_a_file_name(server, locations, tmp_path, packed):
    url = server.answer(f"/m.tar.gz?X-Goog-Signature={'a' * 300}", Answer(body=packed))
    assert resolve_model(url, tmp_path, locations=locations).parent == tmp_path / "downloaded"


def test_a_feature_extractor_is_refused_as_a_classifier():
    check_model("vit_b16_classification", "pretrained", task="classification")
    with pytest.raises(InputError, match=r"expected a classifier, such as vit_b16_classification"):
        check_model("vit_b16_fe", "pretrained", task="classification")
    with pytest.raises(InputError, match=r"such as vit_b16_classification"):
        check_model("vit_mini_fe", "pretrained", task="classification")


def test_environment_variables_set_the_model_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("VIT_HOME", raising=False)
    for name, value, expected in (
        ("XDG_CACHE_HOME", "", tmp_path / ".cache" / "vit-pipeline"),
        ("XDG_CACHE_HOME", str(tmp_path / "xdg"), tmp_path / "xdg" / "vit-pipeline"),
        ("VIT_HOME", "", tmp_path / "xdg" / "vit-pipeline"),
        ("VIT_HOME", str(tmp_path / "vit"), tmp_path / "vit"),
    ):
        monkeypatch.setenv(name, value)
        assert cache_dir() == expected


def test_a_user_without_a_home(monkeypatch, tmp_path):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv("VIT_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "vit-pipeline"
    monkeypatch.delenv("XDG_CACHE_HOME")
    with pytest.raises(InputError, match="set VIT_HOME"):
        cache_dir()
