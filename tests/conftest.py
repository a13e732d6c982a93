"""Fixtures and functions that tests share."""

import io
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from backbones.augreg.architecture import Architecture
from backbones.augreg.convert import convert
from backbones.augreg.initialization import random_arrays
from tests.backbones.scripted_server import Server
from tests.tensorflow_java import TensorFlowJava
from trainer.serving.serving_process import ServingProcess

TINY = Architecture(image_size=16, patch_size=8, width=16, depth=2, heads=2, mlp_dim=32)
PROJECT = Path(__file__).resolve().parent.parent


# The order in which test files and folders run, the slowest first; "" means all other files.
SLOWEST = (
    "end_to_end/test_cache.py",
    "end_to_end/test_real_images.py",
    "compiled/test_runs.py",
    "compiled/test_custom_job.py",
    "trainer/serving/test_export.py",
    "end_to_end/",
    "trainer/test_processes.py",
    "benchmarks/",
    "image/test_install.py",
    "trainer/test_predict.py",
    "backbones/augreg/test_convert.py",
    "docs/",
    "trainer/",
    "",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Starts the slowest test files first, so that all workers finish at about the same time."""
    items.sort(key=lambda item: next(i for i, part in enumerate(SLOWEST) if part in item.nodeid))


@pytest.fixture(scope="session")
def project() -> Path:
    """Returns the root of the project."""
    return PROJECT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Returns the folder with real images and a real pretrained backbone."""
    folder = Path(os.environ.get("VIT_SHARED", PROJECT.parent / "shared")).resolve()
    if not (folder / "tfds").is_dir():
        pytest.skip(f"no real images at {folder} (set VIT_SHARED)")
    return folder


@pytest.fixture(scope="session")
def real_images(shared: Path) -> list[Path]:
    """Returns the paths of some original images of flowers and pets."""
    return sorted((shared / "images").glob("*/*/*.jpg"))


@pytest.fixture
def foreground() -> Iterator[None]:
    """Sets the handlers of SIGINT and SIGHUP to those of a process in the foreground.

    A shell may make a background process ignore SIGINT, and nohup makes a process ignore SIGHUP. A
    test that sends an ignored signal would fail without this fixture.
    """
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def jpeg() -> bytes:
    """Returns a small upright RGB JPEG."""
    return encode(gradient(), "JPEG")


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the SavedModel of an untrained ViT for 16 x 16 pixels, with 2 layers of width 16."""
    directory = tmp_path_factory.mktemp("backbone") / "tiny"
    convert(random_arrays(TINY, seed=0), directory)
    return directory


@pytest.fixture(scope="session")
def server_process() -> Iterator[ServingProcess]:
    """Returns a process that loads exported models as servers do: in a Session, with TensorFlow
    and no code of this project.
    """
    with ServingProcess() as process:
        yield process


@pytest.fixture(scope="session")
def tensorflow_java() -> Iterator[TensorFlowJava]:
    """Returns TensorFlow Java; without Maven or Java, the tests that use it are skipped."""
    with tempfile.TemporaryDirectory() as folder:
        yield TensorFlowJava(Path(folder))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Returns a scripted web server; requests to it do not go through a proxy."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        yield server


def gradient(height: int = 24, width: int = 32) -> PIL.Image.Image:
    """Returns an RGB image whose red grows to the right and whose green grows downwards."""
    rows, columns = np.mgrid[0:height, 0:width]
    red, green = columns * 255 // (width - 1), rows * 255 // (height - 1)
    return PIL.Image.fromarray(np.stack([red, green, red // 2], axis=-1).astype(np.uint8))


def encode(image: PIL.Image.Image, format: str, **options) -> bytes:
    """Returns the bytes of an image file."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def class_folder(folder: Path, classes: int = 2, images: int = 3) -> Path:
    """Returns a folder of class folders c0, c1, … with different images 0.png, 1.png, …"""
    for label in range(classes):
        (folder / f"c{label}").mkdir(parents=True)
        for index in range(images):
            image = gradient(16 + label, 16 + index)
            image.save(folder / f"c{label}" / f"{index}.png")
    return folder


def digit_folders(folder: Path, count: int) -> Path:
    """Writes the first `count` handwritten digits into class folders.

    All files have the same modification time. If a test swaps two files of the same size, neither
    file sizes nor modification times show the swap.
    """
    from components.image_example_gen.sources.digits import DigitsSource

    source = DigitsSource()
    for image in source.read(source.images()[:count]):
        directory = folder / f"digit_{image.label}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / image.file_name).write_bytes(image.encoded)
        os.utime(directory / image.file_name, (1e9, 1e9))
    return folder
