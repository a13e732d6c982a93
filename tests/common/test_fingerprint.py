import sys

import pytest

from common import fingerprint


def test_a_directory_is_known_by_names_and_contents(tmp_path):
    def change(action):
        before = fingerprint.hash_directory(tmp_path)
        action()
        return fingerprint.hash_directory(tmp_path) != before

    (tmp_path / "sub").mkdir()
    (tmp_path / "elsewhere").symlink_to(tmp_path / "sub", target_is_directory=True)
    file = tmp_path / "sub" / "file"
    assert change(lambda: file.write_bytes(b"weights"))
    assert change(lambda: file.write_bytes(b"weighty"))
    assert not change(lambda: file.write_bytes(b"weighty"))
    assert change(lambda: file.rename(tmp_path / "file"))
    assert not change(lambda: (tmp_path / "fingerprint.pb").write_bytes(b"a random id"))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package whose module `a` imports `b` and a function of `c`, but not `d`."""
    folder = tmp_path / "firstparty"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "a.py").write_text(
        "import json\nfrom firstparty import b\n\ndef f():\n    return 1\n"
    )
    (folder / "b.py").write_text("def g():\n    from firstparty.c import h\n    return h\n")
    (folder / "c.py").write_text("def h(): ...\n")
    (folder / "d.py").write_text("x = 1\n")
    monkeypatch.delitem(sys.modules, "firstparty", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(fingerprint, "FIRST_PARTY", ("firstparty",))
    return folder


@pytest.mark.parametrize(
    ("module", "old", "new", "changes"),
    [
        ("a", "return 1", "return 2", True),
        ("a", "return 1", "return  1  # one", False),
        ("b", "return h", "return h()", True),
        ("c", "def h()", "def h(x=1)", True),
        ("c", "def h(): ...", 'def h():\n    "Says what."\n    ...', False),
        ("d", "x = 1", "x = 2", False),
    ],
)
def test_code_is_known_by_itself_and_what_it_imports(package, module, old, new, changes):
    before = fingerprint.hash_code("firstparty.a")
    path = package / f"{module}.py"
    path.write_text(path.read_text().replace(old, new))
    assert (fingerprint.hash_code("firstparty.a") != before) == changes


def test_a_module_that_is_not_there():
    with pytest.raises(ModuleNotFoundError):
        fingerprint.hash_code("trainer.nowhere")


def test_preprocessing_does_not_depend_on_the_training_code():
    """Else a line of training code would run Transform again."""
    before = set(sys.modules)
    trees = fingerprint.modules_of("trainer.preprocessing")
    assert set(sys.modules) == before  # nothing was imported
    assert "backbones.contract" in trees
    assert not {
        "trainer.train",
        "trainer.model.classifier",
        "trainer.model.backbone_layer",
        "trainer.training.optimizer",
    } & set(trees)
    assert "trainer.preprocessing" in fingerprint.modules_of("trainer.train")
