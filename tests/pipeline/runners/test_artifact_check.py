"""Tests of the records of artifacts' files, and of the check that finds damaged files.

tests/end_to_end/test_cache.py tests whole runs with damaged artifacts.
"""

import pytest

from common.errors import InputError
from pipeline.runners.artifact_check import ArtifactContents, _choose_unused_uri, _Launcher


@pytest.fixture
def contents(tmp_path):
    return ArtifactContents(tmp_path)


@pytest.fixture
def examples(tmp_path, contents):
    """Writes an artifact that consists of one file, records it in `contents`, and returns its
    folder."""
    folder = tmp_path / "ImageExampleGen" / "examples" / "1"
    folder.mkdir(parents=True)
    (folder / "shard").write_bytes(b"images")
    contents.record(str(folder))
    return folder


def test_an_unchanged_artifact_has_no_damage(contents, examples):
    assert contents.find_damage(str(examples)) is None
    assert contents.find_damage(str(examples.with_name("2"))) is None  # never recorded


@pytest.mark.parametrize("content", [None, b"", b"image", b"imagez", b"images and more"])
def test_a_changed_artifact_is_named(contents, examples, content):
    file = examples / "shard"
    file.unlink() if content is None else file.write_bytes(content)
    assert contents.find_damage(str(examples)).startswith(f"{file} ")


def test_a_file_that_was_only_touched_is_read_and_found_undamaged(contents, examples):
    (examples / "shard").touch()
    assert contents.find_damage(str(examples)) is None


@pytest.mark.parametrize("content", ["", "{", '{"shard": 1}', "[]"])
def test_a_damaged_record_counts_as_damage(tmp_path, contents, examples, content):
    record = tmp_path / ".contents" / "ImageExampleGen.examples.1.json"
    assert record.exists()
    record.write_text(content)
    assert f"{record}, the record of the files in {examples}, is damaged" in contents.find_damage(
        str(examples)
    )


def test_an_existing_folder_is_never_overwritten(tmp_path):
    uri = str(tmp_path / "Trainer" / "model" / "7")
    assert _choose_unused_uri(uri) == uri
    (tmp_path / "Trainer" / "model" / "7").mkdir(parents=True)
    other = _choose_unused_uri(uri)
    assert other.startswith(f"{uri}-")
    assert _choose_unused_uri(uri) != other
    value = tmp_path / "Pusher" / "verdict" / "9" / "value"
    value.parent.mkdir(parents=True)
    assert _choose_unused_uri(str(value)) == str(value)
    value.touch()
    assert _choose_unused_uri(str(value)).startswith(f"{value.parent}-")
    assert _choose_unused_uri(str(value)).endswith("/value")


class Store:
    """A stand-in for two objects: TFX's metadata handle, and the ML Metadata store that is the
    attribute `store` of the handle."""

    def __init__(self):
        self.store = self

    def put_artifacts(self, artifacts):
        self.put = artifacts


@pytest.mark.parametrize("node", ["ImageExampleGen", "Transform", "Trainer"])
def test_a_damaged_artifact_is_made_again_except_by_trainer(contents, examples, node, caplog):
    from tfx.types import standard_artifacts

    artifact = standard_artifacts.Examples()
    artifact.uri = str(examples)
    (examples / "shard").write_bytes(b"imagez")
    # The launcher searches TFX's cache twice. The first search returns the damaged artifact, and
    # the launcher marks that artifact as abandoned. The second search therefore returns None.
    found = [{"examples": [artifact]}, None]

    launcher = _Launcher.__new__(_Launcher)
    launcher._node, launcher._contents = node, contents
    store = Store()
    arguments = (lambda **_: found.pop(0), store, None)
    if node == "Trainer":
        with pytest.raises(InputError, match=f"shard has changed.*or remove {examples}"):
            launcher._cached_outputs(*arguments)
        return
    assert launcher._cached_outputs(*arguments) is None
    assert [a.State.Name(a.state) for a in store.put] == ["ABANDONED"]
    assert f"{node} runs again" in caplog.text
