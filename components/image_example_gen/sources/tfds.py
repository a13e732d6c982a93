"""A dataset of TensorFlow Datasets that has the features `image` and `label`."""

import functools
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from common.content_index import FileContent, index_path, read_contents
from common.errors import InputError, did_you_mean
from components.image_example_gen.sources.base import (
    NO_LABEL,
    SPLITS,
    TRAIN,
    ImageReference,
    Source,
    SourceImage,
)
from components.image_example_gen.sources.records import Features, RecordFiles, name_images

# The number of retries of a failed download. Without a network, six retries fail after about 12 s,
# whereas TFDS's default of ten retries fails only after three minutes.
_RETRIES = 6


class TfdsSource(Source):
    """The encoded images in the files of a prepared TFDS dataset."""

    downloads = True

    def __init__(self, name: str, data_dir: str | None = None) -> None:
        self._name = name
        self._data_dir = data_dir

    def check(self) -> None:
        """Raises an error if neither TFDS nor the data directory has a dataset with this name.

        Without this check, TFDS would need almost a minute to report that a name is unknown.
        """
        import tensorflow_datasets as tfds

        try:
            dataset, _ = tfds.core.naming.parse_builder_name_kwargs(self._name)
        except ValueError as error:
            raise InputError(
                f"--dataset tfds:{self._name}: is not the name of a dataset; expected "
                "tfds:NAME[/CONFIG][:VERSION]"
            ) from error
        directory = self._data_dir or str(tfds.core.constants.DATA_DIR)
        if dataset.namespace or "://" in directory:
            # This function does not use the network, so `prepare` checks community datasets and
            # data directories in buckets.
            return
        # `list_builders` lists the names without the slow import of the dataset builders.
        known = tfds.list_builders(with_community_datasets=False)
        if dataset.name in known or Path(directory, dataset.name).is_dir():
            return
        raise InputError(self._describe_unknown_dataset(did_you_mean(dataset.name, known)))

    def _describe_unknown_dataset(self, meant: str = "") -> str:
        return (
            f"--dataset tfds:{self._name}: TFDS has no such dataset; expected a name from "
            "tensorflow.org/datasets/catalog, or one prepared below --data-dir"
            + (f"; {meant}" if meant else "")
        )

    @functools.cached_property
    def _builder(self) -> Any:
        import tensorflow_datasets as tfds

        try:
            builder = tfds.builder(self._name, data_dir=self._data_dir)
        except tfds.core.DatasetNotFoundError as error:
            raise InputError(self._describe_unknown_dataset()) from error
        features = dict(builder.info.features or {})
        if not (
            isinstance(features.get("image"), tfds.features.Image)
            and isinstance(features.get("label"), tfds.features.ClassLabel)
        ):
            raise InputError(
                f"--dataset tfds:{self._name}: found the features {', '.join(features)}; expected "
                "an Image called image and a ClassLabel called label"
            )
        return builder

    def prepare(self, cache: Path | None = None) -> None:
        builder = self._builder
        if not builder.info.splits:
            from tensorflow_datasets.core.download import downloader

            downloader.MAX_RETRIES = _RETRIES
            try:
                builder.download_and_prepare()
            except Exception as error:  # downloaders and parsers may raise any error
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                raise InputError(
                    f"--dataset tfds:{self._name}: not found below "
                    f"{Path(builder.data_dir).parent}, and downloading it failed "
                    f"({reason[:300]}). Give --data-dir a directory that has "
                    "it, or prepare it there on a machine with network access: "
                    f"tfds build {self._name} --data_dir DIR"
                ) from error
        if TRAIN not in builder.info.splits:
            raise InputError(
                f"--dataset tfds:{self._name}: found the splits {', '.join(builder.info.splits)}; "
                f"expected one called {TRAIN}"
            )
        if len(self.classes()) < 2:
            raise InputError(
                f"--dataset tfds:{self._name}: found {len(self.classes())} classes; expected at "
                "least 2"
            )

    def classes(self) -> tuple[str, ...]:
        return tuple(self._builder.info.features["label"].names)

    def _list_images(self, cache: Path | None) -> Sequence[ImageReference]:
        listed = [
            (split, content.name, list(self._records.list(content, cache)))
            for split in self._splits()
            for content in self._contents(split, cache)
        ]
        names = name_images([(Path(path).name, images) for _, path, images in listed])
        return [
            ImageReference(
                file_name=next(names),
                label=image.label if isinstance(image.label, int) else NO_LABEL,
                location=self._records.location(path, image),
                size=image.size,
                digest=image.digest,
                split=split if len(self._splits()) > 1 else "",
            )
            for split, path, images in listed
            for image in images
        ]

    def read(self, images: Iterable[ImageReference]) -> Iterator[SourceImage]:
        return self._records.read(images)

    @functools.cached_property
    def _records(self) -> RecordFiles:
        from etils import epath
        from tensorflow_datasets.core import file_adapters

        file_format = self._builder.info.file_format
        adapter = file_adapters.ADAPTER_FOR_FORMAT[file_format]
        return RecordFiles(
            Features(),
            lambda file: adapter.make_tf_data(epath.Path(file)),
            can_seek=file_format == file_adapters.FileFormat.TFRECORD,
            expected=f"the files of TFDS; delete {self._builder.data_dir} and prepare the dataset "
            "again",
        )

    def _splits(self) -> tuple[str, ...]:
        return tuple(name for name in SPLITS if name in self._builder.info.splits)

    def fingerprint(self, cache: Path | None = None) -> str:
        if not any(self._is_remote(split) for split in self._splits()):
            return super().fingerprint(cache)
        digest = hashlib.sha256(self._builder.info.full_name.encode())
        for split in self._splits():
            for content in self._contents(split, cache):
                digest.update(f"{Path(content.name).name}\0{content.digest}\n".encode())
        return digest.hexdigest()

    def _contents(self, split: str, cache: Path | None) -> list[FileContent]:
        """Returns the path, the size and the digest of each file in `split`.

        In a bucket, the digest is computed from the size and the modification time, and not from
        the content.
        """
        files = self._builder.info.splits[split].filepaths
        stats = {os.fspath(file): self._stat(file) for file in files}
        if self._is_remote(split):
            return [
                FileContent(
                    path,
                    stat.length,
                    hashlib.sha256(f"{stat.length}\0{stat.mtime}".encode()).hexdigest(),
                )
                for path, stat in stats.items()
            ]
        index = index_path(cache, f"{Path(files[0]).parent} {split}")
        return read_contents([(path, path) for path in stats], index)

    def _is_remote(self, split: str) -> bool:
        return any("://" in os.fspath(file) for file in self._builder.info.splits[split].filepaths)

    def _stat(self, file: Any) -> Any:
        """Returns the length and the modification time of a file of the dataset."""
        try:
            return file.stat()
        except FileNotFoundError as error:
            raise InputError(
                f"--dataset tfds:{self._name}: {file} is missing; expected the files of "
                f"TFDS; delete {file.parent} and prepare the dataset again"
            ) from error
