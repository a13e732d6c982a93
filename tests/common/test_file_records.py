import pytest

from common.file_records import find_damage, hash_records, record_files


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "model" / "variables").mkdir(parents=True)
    (tmp_path / "model" / "graph").write_bytes(b"graph")
    (tmp_path / "model" / "variables" / "data").write_bytes(b"weights")
    return tmp_path / "model"


def test_contents_are_those_of_all_files(directory):
    contents = record_files(f"{directory}/")
    assert {name: content.size for name, content in contents.items()} == {
        "graph": 5,
        "variables/data": 7,
    }
    assert find_damage(str(directory), contents) is None


def test_the_hash_depends_on_names_and_bytes(directory):
    before = hash_records(record_files(str(directory)))
    (directory / "graph").rename(directory / "graph2")
    renamed = hash_records(record_files(str(directory)))
    (directory / "graph2").rename(directory / "graph")
    assert hash_records(record_files(str(directory))) == before != renamed
    (directory / "graph").write_bytes(b"grapf")
    assert hash_records(record_files(str(directory))) != before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "variables/data is missing"),
        (b"weight", "variables/data has 6 bytes, where 7 were recorded"),
        (b"weighty", "variables/data has changed since it was recorded"),
    ],
)
def test_damage_is_named(directory, content, words):
    contents = record_files(str(directory))
    file = directory / "variables" / "data"
    file.unlink() if content is None else file.write_bytes(content)
    assert find_damage(str(directory), contents) == f"{directory}/{words}"
