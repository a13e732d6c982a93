"""Reads ImageNet images with their classes, from TFDS or from a folder of class folders.

This module imports TensorFlow only to read from TFDS.
"""

import dataclasses
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from common.errors import InputError
from components.image_example_gen.sources.folder import FolderSource
from components.image_example_gen.sources.layout import CLASSES
from trainer.serving.imagenet import class_index

TFDS_NAME, SPLIT = "imagenet2012", "validation"


@dataclasses.dataclass(frozen=True)
class LabelledImage:
    """An image to classify.

    Attributes:
      name: the name of the image in messages.
      encoded: the bytes of the image file (JPEG, PNG, GIF, BMP), or its path.
      label: the index of the image's class; None if the class is unknown.
    """

    name: str
    encoded: bytes | Path
    label: int | None = None


@dataclasses.dataclass(frozen=True)
class Data:
    """Images whose labels are ImageNet class indices, as `trainer.serving.imagenet` numbers them.

    Attributes:
      about: a description of the images, which the benchmark prints.
      count: the number of images.
      images: the images; they may be iterable only once.
    """

    about: str
    count: int
    images: Iterable[LabelledImage]


def read_data(directory: str, limit: int | None) -> Data:
    """Reads the TFDS dataset imagenet2012 in `directory`; if there is none, reads class folders.

    Args:
      directory: a TFDS data directory (with imagenet2012/5.1.0/… below it), or a folder of class
        folders, each named by WordNet id, class name or index.
      limit: the largest number of images. Calls with the same arguments choose the same images.
        From class folders, the function takes a random sample with a fixed seed. From TFDS, the
        function takes the first images of the dataset, which TFDS shuffled when it prepared the
        dataset.

    Raises:
      InputError: the directory contains neither the dataset nor class folders, or it contains a
        class that ImageNet does not have.
    """
    if (Path(directory) / TFDS_NAME).is_dir():
        return _read_tfds(directory, limit)
    return _read_folder(directory, limit)


def _read_folder(directory: str, limit: int | None) -> Data:
    source = FolderSource(directory, layout=CLASSES)
    source.check()
    indices = _class_indices(directory, source.classes())
    files = source.files()
    random.Random(0).shuffle(files)
    images = [
        LabelledImage(path, Path(path), indices[name.split("/", 1)[0]])
        for name, path in files[:limit]
    ]
    return Data(f"{directory}, {len(indices)} class folders", len(images), images)


def _read_tfds(directory: str, limit: int | None) -> Data:
    import tensorflow_datasets as tfds

    builder = tfds.builder(TFDS_NAME, data_dir=directory)
    if SPLIT not in builder.info.splits:
        raise InputError(
            f"{directory}: {TFDS_NAME} has no split {SPLIT} there; prepare it with `tfds build "
            f"{TFDS_NAME} --data_dir {directory}`, from the archives that image-net.org offers"
        )
    count = builder.info.splits[SPLIT].num_examples
    if limit is not None:
        count = min(count, limit)
    names = builder.info.features["label"].names
    images = _tfds_images(builder, f"{SPLIT}[:{count}]", _class_indices(directory, names))
    return Data(f"{directory}, TFDS {builder.info.full_name}, {SPLIT}", count, images)


def _tfds_images(builder: Any, split: str, indices: dict[str, int]) -> Iterator[LabelledImage]:
    import tensorflow_datasets as tfds

    dataset = builder.as_dataset(
        split=split,
        decoders={"image": tfds.decode.SkipDecoding()},
        read_config=tfds.ReadConfig(add_tfds_id=True),
    )
    labels = list(indices.values())
    for example in dataset.as_numpy_iterator():
        yield LabelledImage(example["tfds_id"].decode(), example["image"], labels[example["label"]])


def _class_indices(directory: str, names: Iterable[str]) -> dict[str, int]:
    """Returns the ImageNet index of each class name, in the order of the names."""
    indices = {name: class_index(name) for name in names}
    unknown = next((name for name, index in indices.items() if index is None), None)
    if unknown is not None:
        raise InputError(
            f"{directory}: ImageNet has no class {unknown}; expected WordNet ids (n02124075), "
            "names as in trainer/imagenet_classes.txt, or indices (0 to 999)"
        )
    return indices
