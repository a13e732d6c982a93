import gzip
import io
import os
import tarfile

import pytest
import tensorflow as tf

from backbones import archive as archives
from backbones.admission import check_backbone
from backbones.archive import unpack
from common.errors import InputError
from tests.backbones.scripted_server import archive, files_of, random_bytes

MODEL = {"saved_model.pb": b"graph", "variables/variables.index": b"index"}


@pytest.fixture
def unpack_bytes(tmp_path):
    """Returns a function that unpacks an archive.

    If the archive is refused, the function checks that no files are left.
    """

    def unpack_bytes(content, max_bytes=10**9):
        packed = tmp_path / "packed"
        packed.write_bytes(content)
        directory = tmp_path / "cache" / "model"
        directory.parent.mkdir(exist_ok=True)
        try:
            unpack(packed, directory, max_bytes=max_bytes, check=check_backbone)
        except InputError:
            assert list(directory.parent.iterdir()) == []
            raise
        return directory

    return unpack_bytes


@pytest.mark.parametrize("folder", ["", "./", "vit_b16_fe/"])
def test_a_saved_model_at_the_root_or_one_directory_below(unpack_bytes, folder, tiny_backbone):
    model = files_of(tiny_backbone)
    directory = unpack_bytes(archive({folder + name: content for name, content in model.items()}))
    assert files_of(directory) == model


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077], ids=oct)
@pytest.mark.parametrize("folder", ["", "vit_b16_fe/"])
def test_permissions_follow_the_umask(unpack_bytes, folder, tiny_backbone, umask):
    content = archive({folder + name: file for name, file in files_of(tiny_backbone).items()})
    before = os.umask(umask)
    try:
        directory = unpack_bytes(content)
    finally:
        os.umask(before)
    for path in (directory, directory / "variables"):
        assert path.stat().st_mode & 0o777 == 0o777 & ~umask


@pytest.mark.parametrize("folder", ["", "vit_b16_fe/"])
def test_a_saved_model_without_its_variables_is_refused(unpack_bytes, folder, tiny_backbone):
    model = files_of(tiny_backbone)
    del model["variables/variables.index"]
    with pytest.raises(InputError, match=r"SavedModel \(this SavedModel cannot be loaded"):
        unpack_bytes(archive({folder + name: content for name, content in model.items()}))


def test_a_saved_model_whose_variables_are_cut_short_is_refused(unpack_bytes, tiny_backbone):
    model = files_of(tiny_backbone)
    name = "variables/variables.data-00000-of-00001"
    model[name] = model[name][: len(model[name]) // 2]
    with pytest.raises(InputError, match=r"SavedModel \(this SavedModel cannot be loaded"):
        unpack_bytes(archive(model))


def test_a_saved_model_without_the_interface_is_refused(unpack_bytes, tmp_path):
    module = tf.Module()
    module.weight = tf.Variable(1.0)
    tf.saved_model.save(module, str(tmp_path / "model"))
    with pytest.raises(InputError, match=r"unusable SavedModel \(this SavedModel has no __call__"):
        unpack_bytes(archive(files_of(tmp_path / "model")))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"", "an empty file", id="empty"),
        pytest.param(b"<!DOCTYPE html><html>", "a web page", id="html"),
        pytest.param(random_bytes(2000), "a damaged file, not a tar archive", id="garbage"),
        pytest.param(
            archive(MODEL),
            r"SavedModel \(saved_model\.pb: missing or corrupt",
            id="rubbish_model",
        ),
        pytest.param(archive({"readme.txt": b""}), "without a SavedModel", id="no_model"),
        pytest.param(archive({"a/b/saved_model.pb": b""}), "without a SavedModel", id="too_deep"),
        pytest.param(
            archive({**MODEL, "big": random_bytes(99_999)})[:50_000], "archive", id="cut_off"
        ),
        pytest.param(archive({**MODEL, "../outside": b""}), "outside its directory", id="parent"),
        pytest.param(
            archive({**MODEL, "/tmp/../outside/../../outside": b""}),
            "outside its directory",
            id="absolute",
        ),
    ],
)
def test_refused_archives(unpack_bytes, content, expected):
    with pytest.raises(InputError, match=expected) as error:
        unpack_bytes(content)
    assert "\n" not in str(error.value)


@pytest.fixture
def outside(tmp_path):
    """Makes a folder outside the model cache; checks that the test leaves the folder unchanged."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("mine")
    yield tmp_path / "outside"
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["file"]
    assert (tmp_path / "outside" / "file").read_text() == "mine"


def members(*given):
    """Returns a tar archive of members: each is a TarInfo, or a tuple of a TarInfo and content."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member in given:
            info, content = member if isinstance(member, tuple) else (member, b"")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def member(name, kind=tarfile.REGTYPE, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def chain_of_links():
    """Returns an archive that exploits CVE-2025-4517.

    `tarfile` finds the target of a link with `realpath`, which does not resolve links in a path of
    more than 4,096 characters. In this archive, `realpath` resolves 16 links to a path of almost
    4,000 characters. The next link, whose name has 254 characters, makes the path too long, so
    `realpath` does not resolve this link. `tarfile` therefore does not notice that the link
    `escape` leads out of the folder for the unpacked files.
    """
    steps, folder, path, links = "abcdefghijklmnop", "d" * 247, "", []
    for step in steps:
        links += [member(f"{path}{folder}", tarfile.DIRTYPE), member(path + step, SYMLINK, folder)]
        path += f"{folder}/"
    deep = f"{'/'.join(steps)}/{'l' * 254}"
    links += [member(deep, SYMLINK, "../" * len(steps))]
    # `../../../outside` leads from `cache`/TEMPORARY/`content`, the folder for the unpacked files,
    # to the folder `outside`, which is next to `cache`.
    links += [member("escape", SYMLINK, f"{deep}/../../../outside")]
    return members(*links, member("flag", tarfile.LNKTYPE, "escape/file"), (member("flag"), b"!"))


SYMLINK = tarfile.SYMTYPE


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (members(member("m", SYMLINK, "../../outside/file")), r"a symbolic link \(m to \.\./"),
        (members(member("m", SYMLINK, "variables")), "a symbolic link"),
        (members(member("m", tarfile.LNKTYPE, "saved_model.pb")), "a hard link"),
        (chain_of_links(), "a symbolic link"),
        (
            members(member("m", tarfile.CHRTYPE)),
            r"a device \(m\); expected regular files and folders",
        ),
        (members(member("m", tarfile.BLKTYPE)), "a device"),
        (members(member("m", tarfile.FIFOTYPE)), "a pipe"),
        (members(member("m", tarfile.CONTTYPE)), "unusual kind"),
        (members((member("../../outside/file"), b"!")), "outside its directory"),
        (members((member("a/../../../outside/file"), b"!")), "outside its directory"),
        (members((member("/tmp/outside"), b"!")), "outside its directory"),
        (members((member("m"), b"1"), (member("m"), b"2")), "contains m twice"),
        (members((member("m"), b"1"), (member("m/n"), b"2")), "contains m/n twice"),
        (members((member("m" * 300), b"1")), "a name that is too long"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.usefixtures("outside")
def test_links_devices_and_outside_paths_are_refused(unpack_bytes, content, expected):
    with pytest.raises(InputError, match=expected) as error:
        unpack_bytes(content)
    assert "\n" not in str(error.value)


def test_all_members_are_checked_before_a_file_is_written(unpack_bytes, monkeypatch):
    """`unpack` writes no member of an archive whose last member is a symbolic link."""
    written = []
    monkeypatch.setattr(archives, "_write", lambda *given: written.append(given))
    with pytest.raises(InputError, match="a symbolic link"):
        unpack_bytes(members((member("saved_model.pb"), b"graph"), member("m", SYMLINK, "x")))
    assert written == []


def test_a_sparse_file_is_refused(unpack_bytes):
    """A sparse file (GNU tar's format 1.0) can declare terabytes that are not in the archive."""
    info = member("m")
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "m",
        "GNU.sparse.realsize": str(10**12),
    }
    with pytest.raises(InputError, match="unusual kind"):
        unpack_bytes(members((info, b"1\n0\n1\n".ljust(512, b"\0") + b"x")))


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_a_bomb_is_refused_before_it_is_unpacked(unpack_bytes, compression):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=f"w:{compression}") as tar:
        for name in ("saved_model.pb", "a", "b"):
            info = member(name)
            info.size = 400_000
            tar.addfile(info, io.BytesIO(bytes(info.size)))
    assert len(packed.getvalue()) < 5_000
    with pytest.raises(InputError, match=r"unpacks to more than 0\.001 GB; .* VIT_MAX_MODEL_GB"):
        unpack_bytes(packed.getvalue(), max_bytes=1_000_000)


def test_an_archive_is_refused_by_the_declared_size_of_a_member(unpack_bytes):
    """The archive contains only the member's header, which declares a size of 1,000 TB."""
    info = member("saved_model.pb")
    info.size = 10**15
    with pytest.raises(InputError, match="unpacks to more than 1 GB"):
        unpack_bytes(info.tobuf(tarfile.GNU_FORMAT))


def test_an_archive_on_a_full_disk(unpack_bytes, monkeypatch):
    usage = archives.shutil.disk_usage("/")
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: usage._replace(free=9))
    with pytest.raises(InputError, match="cache has only 9e-09 GB free"):
        unpack_bytes(archive(MODEL))


def test_a_huge_extended_header_is_refused(unpack_bytes):
    """`tarfile` would read the whole header of 100 MB into memory, although the gzip file has only
    100 KB.
    """
    header = member("pax", tarfile.XHDTYPE)
    header.size = 100_000_000
    content = gzip.compress(header.tobuf(tarfile.USTAR_FORMAT) + bytes(header.size))
    with pytest.raises(InputError, match="a header of more than 1 MiB"):
        unpack_bytes(content)


def test_a_negative_size(unpack_bytes):
    """A negative size makes `tarfile` read the same header in an endless loop (CVE-2025-8194)."""
    info = member("saved_model.pb")
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = tarfile.itn(-512, 12, tarfile.GNU_FORMAT)
    block[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(block))[0]
    with pytest.raises(InputError, match="a negative size"):
        unpack_bytes(bytes(block) + bytes(1024))


def test_an_archive_of_very_many_members(unpack_bytes, monkeypatch):
    monkeypatch.setattr(archives, "_MOST_MEMBERS", 5)
    with pytest.raises(InputError, match="more than 5 members"):
        unpack_bytes(members(*(member(str(number)) for number in range(6))))
