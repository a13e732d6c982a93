import hashlib
import os
import socket
from pathlib import Path

import pytest

from common.errors import InputError
from components.image_example_gen.sources.folder import FolderSource
from tests.conftest import class_folder

UNREAD = "cannot be read: not a regular file"


def source_of(folder, **kwargs):
    return FolderSource(str(class_folder(folder / "data", **kwargs)))


def fingerprint(folder):
    """Reads the folder `data`, and returns its fingerprint."""
    return FolderSource(str(folder / "data")).fingerprint(folder)


def test_classes_are_the_sorted_folders(tmp_path):
    source = source_of(tmp_path, classes=3)
    (tmp_path / "data" / ".hidden").mkdir()
    assert source.classes() == ("c0", "c1", "c2")
    source.prepare()


def test_the_fingerprint_sees_every_change(tmp_path):
    source_of(tmp_path)
    image, other = (tmp_path / "data" / name / "0.png" for name in ("c0", "c1"))
    seen = {fingerprint(tmp_path)}

    def changed():
        before = len(seen)
        seen.add(fingerprint(tmp_path))
        return len(seen) > before

    assert not changed()
    image.write_bytes(image.read_bytes() + b"x")
    assert changed()
    os.utime(image, ns=(1, 1))  # the fingerprint ignores the time of modification
    assert not changed()
    image.rename(image.with_name("9.png"))
    assert changed()
    other.unlink()
    assert changed()


def test_exchanging_two_files_of_the_same_size_and_time_changes_the_fingerprint(tmp_path):
    source_of(tmp_path)
    one, other = (tmp_path / "data" / name / "0.png" for name in ("c0", "c1"))
    for path, content in ((one, b"cat"), (other, b"dog")):
        path.write_bytes(content)
        os.utime(path, ns=(1, 1))
    before = fingerprint(tmp_path)
    one.rename(tmp_path / "aside")
    other.rename(one)
    (tmp_path / "aside").rename(other)
    assert fingerprint(tmp_path) != before


def test_a_file_that_is_missing_and_then_restored(tmp_path):
    source_of(tmp_path)
    image = tmp_path / "data" / "c0" / "0.png"
    link = image.with_name("link.png")
    link.symlink_to(tmp_path / "elsewhere")
    away = fingerprint(tmp_path)
    (tmp_path / "elsewhere").write_bytes(image.read_bytes())
    assert fingerprint(tmp_path) != away
    (tmp_path / "elsewhere").unlink()
    assert fingerprint(tmp_path) == away


def test_images_have_size_and_digest(tmp_path):
    for image in source_of(tmp_path, images=2).images(tmp_path):
        encoded = (tmp_path / "data" / image.file_name).read_bytes()
        digest = hashlib.sha256(encoded).hexdigest()
        assert (image.size, image.digest) == (len(encoded), digest)


def test_files_of_nested_folders_count(tmp_path):
    source = source_of(tmp_path, images=1)
    nested = tmp_path / "data" / "c0" / "more"
    nested.mkdir()
    (nested / "x.png").write_bytes(b"x")
    (nested / ".DS_Store").write_bytes(b"x")
    assert [name for name, _ in source.files()] == ["c0/0.png", "c0/more/x.png", "c1/0.png"]


def test_one_class_is_not_enough(tmp_path):
    with pytest.raises(InputError, match="found 1 class folders; expected at least 2"):
        source_of(tmp_path, classes=1).check()


def test_the_folder_below_or_above_is_named(tmp_path):
    """An archive is often unpacked into a folder of the same name, one level above the class
    folders."""
    flowers = class_folder(tmp_path / "flowers" / "flowers")
    with pytest.raises(InputError, match=rf"found 1 class folders;.*; did you mean {flowers}\?$"):
        FolderSource(str(tmp_path / "flowers")).check()
    with pytest.raises(InputError, match=f"found 0 class folders;.*the folder above it, {flowers}"):
        FolderSource(str(flowers / "c0")).check()
    with pytest.raises(InputError, match=r"with the images of one class$"):
        source_of(tmp_path, classes=1).check()


def test_an_empty_class_is_named(tmp_path):
    source = source_of(tmp_path)
    (tmp_path / "data" / "zebra").mkdir()
    with pytest.raises(InputError, match="no images in class folder zebra"):
        source.check()


def test_a_missing_folder(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        FolderSource(str(tmp_path / "nowhere")).check()


def test_an_unreadable_file_is_passed_on_with_its_error(tmp_path):
    source = source_of(tmp_path, images=2)
    vanished, changed, whole, _ = source.images()
    Path(vanished.location).unlink()
    Path(changed.location).write_bytes(b"changed")
    read = list(source.read([vanished, changed, whole]))
    assert [(image.file_name, image.label) for image in read] == [
        ("c0/0.png", 0),
        ("c0/1.png", 0),
        ("c1/0.png", 1),
    ]
    assert [image.error for image in read] == [
        "cannot be read: No such file or directory",
        "cannot be read: the file changed after it was listed",
        "",
    ]
    assert read[1].encoded == b""
    assert read[2].encoded == Path(whole.location).read_bytes()


def test_a_dangling_link_has_a_fingerprint(tmp_path):
    source = source_of(tmp_path)
    (tmp_path / "data" / "c0" / "link.png").symlink_to(tmp_path / "nowhere")
    assert len(source.fingerprint()) == 64


def test_linked_folders_are_followed_and_loops_are_not(tmp_path):
    source = source_of(tmp_path, images=1)
    elsewhere = class_folder(tmp_path / "elsewhere", images=1, classes=2)
    first = tmp_path / "data" / "c0"
    (first / "linked").symlink_to(elsewhere / "c1", target_is_directory=True)
    (first / "loop").symlink_to(first, target_is_directory=True)
    assert [name for name, _ in source.files()] == ["c0/0.png", "c0/linked/0.png", "c1/0.png"]


def test_file_names_that_are_not_utf8(tmp_path):
    source = source_of(tmp_path)
    image = tmp_path / "data" / "c0" / "0.png"
    image.rename(image.with_name(os.fsdecode(b"caf\xe9.png")))
    assert len(source.fingerprint()) == 64
    source.check()
    (tmp_path / "data" / "c0").rename(tmp_path / "data" / os.fsdecode(b"caf\xe9"))
    with pytest.raises(InputError, match="is not UTF-8"):
        FolderSource(str(tmp_path / "data")).check()


def test_only_regular_files_are_read(tmp_path):
    """Reading a FIFO would wait for a writer, and reading /dev/zero would never end."""
    source = source_of(tmp_path, images=1)
    folder = tmp_path / "data" / "c0"
    os.mkfifo(folder / "fifo.png")
    (folder / "device.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket.png"))
        source.prepare()
        assert len(source.fingerprint()) == 64
        errors = {image.file_name: image.error for image in source.read(source.images())}
    assert errors == {
        **{f"c0/{name}.png": UNREAD for name in ("fifo", "device", "socket")},
        "c0/0.png": "",
        "c1/0.png": "",
    }
