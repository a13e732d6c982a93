import zipfile

import numpy as np
import pytest

from backbones.augreg import npz
from backbones.augreg.npz import CheckpointError, read_npz


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.npz"
    np.savez(path, kernel=np.arange(6.0).reshape(2, 3), bias=np.zeros(3))
    return path


def error(path):
    with pytest.raises(CheckpointError) as raised:
        read_npz(path)
    message = str(raised.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_reads_every_array(path):
    arrays = read_npz(path)
    assert list(arrays) == ["kernel", "bias"]
    np.testing.assert_array_equal(arrays["kernel"], [[0, 1, 2], [3, 4, 5]])


def test_missing(tmp_path):
    assert "no such file" in error(tmp_path / "model.npz")


def test_directory(tmp_path):
    assert "no such file" in error(tmp_path)


def test_zero_bytes(path):
    path.write_bytes(b"")
    assert "an empty file" in error(path)


@pytest.mark.parametrize("kept", [4, 100, 300, -1])
def test_cut_short(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    assert "a truncated archive" in error(path)


def test_not_a_zip(path):
    path.write_text("<html>404 Not Found</html>")
    assert "not an .npz archive" in error(path)


def test_one_array_is_no_archive(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    assert "not an .npz archive" in error(path)


def test_flipped_bits(path):
    content = bytearray(path.read_bytes())
    content[content.index(np.float64(5).tobytes())] ^= 0xFF
    path.write_bytes(content)
    assert "array 'kernel' is unreadable (Bad CRC-32" in error(path)


def test_pickled_objects(path):
    np.savez(path, kernel=np.zeros(3), bias=np.array([{"not": "numbers"}]))
    assert "array 'bias' is unreadable (Object arrays cannot be loaded" in error(path)


def test_member_that_is_no_array(path):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("README.txt", "hello")
    assert "'README.txt' is not an array" in error(path)


def write_archive_with_header(path, header):
    """Writes an .npz archive with one array, which has the given header and no data."""
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("kernel.npy", content)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000,), }",
        f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({10**30},), }}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 48",
        "{'descr': (), 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, -1), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': " + "(" * 3000 + ")" * 3000 + "}",
    ],
    ids=["absurd size", "no machine's size", "cut short", "no type", "negative", "nested"],
)
def test_rubbish_in_a_header(path, header):
    write_archive_with_header(path, header)
    message = error(path)
    assert "array 'kernel' is unreadable" in message
    assert len(message) < len(str(path)) + 350


def test_damage_in_an_lzma_stream(path):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    content = bytearray(path.read_bytes())
    content[60:100] = bytes(byte ^ 0xFF for byte in content[60:100])
    path.write_bytes(content)
    assert "array 'kernel' is unreadable" in error(path)


def test_a_name_with_a_line_break_takes_one_line(path):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("evil\nname.txt", "hello")
    assert r"'evil\nname.txt' is not an array" in error(path)


@pytest.mark.parametrize("name", ["bias.npy", "bias"])
def test_two_arrays_of_one_name(path, name):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, archive.read("kernel.npy"))
    assert "array 'bias' appears 2 times" in error(path)


def test_a_small_file_that_would_fill_the_memory(tmp_path, monkeypatch):
    """A zip bomb is refused before any array is unpacked."""
    np.savez_compressed(tmp_path / "bomb.npz", kernel=np.zeros(10_000_000, np.float32))
    read_npz(tmp_path / "bomb.npz")
    monkeypatch.setattr(npz, "_SLACK", 1_000_000)
    monkeypatch.setattr(npz, "_read_array", lambda *_: pytest.fail("it was unpacked"))
    with pytest.raises(CheckpointError, match=r"unpacks from 0\.\d+ MB to 0\.04 GB, which is more"):
        read_npz(tmp_path / "bomb.npz")
