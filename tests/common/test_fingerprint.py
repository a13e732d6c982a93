import importlib.metadata
import sys

import pytest

from common import fingerprint, versions


def test_the_fingerprint_of_a_directory_depends_on_names_and_contents(tmp_path):
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
    """Writes a package in which `a` imports `b`, and `b` imports a function from `c`.

    `c` imports `d` only if `TYPE_CHECKING` is true, so a run never imports `d`.
    """
    folder = tmp_path / "firstparty"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "a.py").write_text(
        "import json\nimport numpy.linalg\nfrom firstparty import b\n\ndef f():\n    return 1\n"
    )
    (folder / "b.py").write_text("def g():\n    from firstparty.c import h\n    return h\n")
    (folder / "c.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import firstparty.d\n\n"
        "def h(): ...\n"
    )
    (folder / "d.py").write_text("x = 1\n")
    (folder / "sub").mkdir()
    (folder / "sub" / "__init__.py").write_text("from firstparty import e\n")
    (folder / "sub" / "s.py").write_text("from ..c import h\n")
    (folder / "e.py").write_text("y = 1\n")
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
def test_the_fingerprint_of_code_covers_its_imports(package, module, old, new, changes):
    before = fingerprint.hash_code("firstparty.a")
    path = package / f"{module}.py"
    path.write_text(path.read_text().replace(old, new))
    assert (fingerprint.hash_code("firstparty.a") != before) == changes


def test_importing_a_module_runs_the_init_of_its_packages(package):
    modules = fingerprint.parse_modules("firstparty.sub.s")
    names = {"firstparty", "firstparty.sub", "firstparty.sub.s", "firstparty.c", "firstparty.e"}
    assert set(modules) == names
    before = fingerprint.hash_code("firstparty.sub.s")
    (package / "e.py").write_text("y = 2\n")
    assert fingerprint.hash_code("firstparty.sub.s") != before


def test_the_text_of_data_is_hashed_instead_of_the_module(package):
    def hashed(used):
        return fingerprint.hash_code("firstparty.a", data={"firstparty.c": used})

    before, other = hashed("one"), hashed("two")
    assert before != other
    (package / "c.py").write_text("def h(x): ...\n")
    assert (hashed("one"), hashed("two")) == (before, other)


def install(folder, name, version):
    """Writes a distribution's metadata to `folder`, as pip does."""
    metadata = folder / f"{name}-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    importlib.invalidate_caches()


def test_installed_libraries_count_where_they_are_imported(package, tmp_path):
    def hashed():
        return tuple(fingerprint.hash_code(f"firstparty.{name}") for name in ("a", "b"))

    before = hashed()
    assert fingerprint.hash_code("firstparty.a", without=["numpy"]) != before[0]
    install(tmp_path, "keras", "0.1")
    assert hashed() == before
    install(tmp_path, "numpy", "0.1")
    after = hashed()
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_libraries_are_known_by_their_distributions():
    found = versions.installed_versions(
        ["os", "sys", "numpy", "PIL", "sklearn", "tensorflow_datasets", "absl", "google", "missing"]
    )
    assert found.pop("missing") == "none"
    expected = ["numpy", "pillow", "scikit-learn", "scipy", "tensorflow-datasets"]
    assert found == {name: importlib.metadata.version(name) for name in expected}


def test_every_library_of_a_node_is_found(project, monkeypatch):
    """`common.versions` lists each package whose name differs from the name of its distribution."""
    monkeypatch.setattr(importlib.metadata, "packages_distributions", dict)  # returns {}
    files = [path for name in fingerprint.FIRST_PARTY for path in (project / name).rglob("*.py")]
    modules = [
        ".".join(path.relative_to(project).with_suffix("").parts).removesuffix(".__init__")
        for path in files
    ]
    libraries = {
        library
        for source in fingerprint.parse_modules(*modules).values()
        for library in source.libraries
    }
    assert "tensorflow" in libraries
    libraries -= {"mlflow"}  # an optional package, which no node imports
    assert "none" not in versions.installed_versions(libraries).values()


def test_a_module_that_is_not_there():
    with pytest.raises(ModuleNotFoundError):
        fingerprint.hash_code("trainer.nowhere")


def test_preprocessing_does_not_depend_on_the_training_code():
    """An edit of the training code must not make Transform run again."""
    before = set(sys.modules)
    trees = fingerprint.parse_modules("trainer.preprocessing")
    assert set(sys.modules) == before  # nothing was imported
    assert "backbones.contract" in trees
    assert not {
        "trainer.train",
        "trainer.model.classifier",
        "trainer.model.backbone_layer",
        "trainer.training.optimizer",
    } & set(trees)
    assert "trainer.preprocessing" in fingerprint.parse_modules("trainer.train")
