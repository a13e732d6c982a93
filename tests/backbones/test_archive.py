import io
import os
import tarfile

import pytest
import tensorflow as tf

from backbones.archive import unpack
from common.errors import InputError
from tests.backbones.scripted_server import archive, files_of, random_bytes

MODEL = {"saved_model.pb": b"graph", "variables/variables.index": b"index"}


@pytest.fixture
def unpacked(tmp_path):
    """Returns a function that unpacks bytes, and checks that no other files are left."""

    def unpacked(content):
        packed = tmp_path / "packed"
        packed.write_bytes(content)
        directory = tmp_path / "cache" / "model"
        directory.parent.mkdir(exist_ok=True)
        try:
            unpack(packed, directory)
        except InputError:
            assert list(directory.parent.iterdir()) == []
            raise
        return directory

    return unpacked


@pytest.mark.parametrize("folder", ["", "./", "vit_b16_fe/"])
def test_a_saved_model_at_the_root_or_one_directory_below(unpacked, folder, tiny_backbone):
    model = files_of(tiny_backbone)
    directory = unpacked(archive({folder + name: content for name, content in model.items()}))
    assert files_of(directory) == model


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077], ids=oct)
@pytest.mark.parametrize("folder", ["", "vit_b16_fe/"])
def test_permissions_follow_the_umask(unpacked, folder, tiny_backbone, umask):
    content = archive({folder + name: file for name, file in files_of(tiny_backbone).items()})
    before = os.umask(umask)
    try:
        directory = unpacked(content)
    finally:
        os.umask(before)
    for path in (directory, directory / "variables"):
        assert path.stat().st_mode & 0o777 == 0o777 & ~umask


@pytest.mark.parametrize("folder", ["", "vit_b16_fe/"])
def test_a_saved_model_without_its_variables_is_refused(unpacked, folder, tiny_backbone):
    model = files_of(tiny_backbone)
    del model["variables/variables.index"]
    with pytest.raises(InputError, match=r"SavedModel \(this SavedModel cannot be loaded"):
        unpacked(archive({folder + name: content for name, content in model.items()}))


def test_a_saved_model_whose_variables_are_cut_short_is_refused(unpacked, tiny_backbone):
    model = files_of(tiny_backbone)
    name = "variables/variables.data-00000-of-00001"
    model[name] = model[name][: len(model[name]) // 2]
    with pytest.raises(InputError, match=r"SavedModel \(this SavedModel cannot be loaded"):
        unpacked(archive(model))


def test_a_saved_model_without_the_interface_is_refused(unpacked, tmp_path):
    module = tf.Module()
    module.weight = tf.Variable(1.0)
    tf.saved_model.save(module, str(tmp_path / "model"))
    with pytest.raises(InputError, match=r"unfit SavedModel \(this SavedModel has no __call__"):
        unpacked(archive(files_of(tmp_path / "model")))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"", "an empty file", id="empty"),
        pytest.param(b"<!DOCTYPE html><html>", "a web page", id="html"),
        pytest.param(random_bytes(2000), "a damaged file, not a tar archive", id="garbage"),
        pytest.param(
            archive(MODEL),
            r"SavedModel \(saved_model\.pb: not the file of a Sav",
            id="rubbish_model",
        ),
        pytest.param(archive({"readme.txt": b""}), "without a SavedModel", id="no_model"),
        pytest.param(archive({"a/b/saved_model.pb": b""}), "without a SavedModel", id="too_deep"),
        pytest.param(
            archive({**MODEL, "big": random_bytes(99_999)})[:50_000], "archive", id="cut_off"
        ),
        pytest.param(archive({**MODEL, "../outside": b""}), "reaches outside", id="parent"),
        pytest.param(
            archive({**MODEL, "/tmp/../outside/../../outside": b""}),
            "reaches outside",
            id="absolute",
        ),
    ],
)
def test_refused_archives(unpacked, content, expected):
    with pytest.raises(InputError, match=expected) as error:
        unpacked(content)
    assert "\n" not in str(error.value)


def test_links_that_lead_outside(unpacked):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("saved_model.pb")
        member.type, member.linkname = tarfile.SYMTYPE, "../../../etc/passwd"
        tar.addfile(member)
    with pytest.raises(InputError, match="reaches outside"):
        unpacked(packed.getvalue())
