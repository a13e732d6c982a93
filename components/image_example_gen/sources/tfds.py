"""A dataset of TensorFlow Datasets that has the features `image` and `label`."""

import functools
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from common.content_index import hash_file, read_contents
from common.errors import InputError, did_you_mean
from components.image_example_gen.sources.base import TEST, TRAIN, Source, SourceImage

# Retries of a download, with some 12 s of waiting in all. TFDS's default of ten retries takes three
# minutes without a network.
_RETRIES = 6

# Bytes whose examples are read for a fingerprint, at some 100 MB/s; of more, the files as they are.
_READ_UP_TO = 2_000_000_000


class TfdsSource(Source):
    """The encoded images of a prepared TFDS dataset, as they are in its record files."""

    def __init__(self, name: str, data_dir: str | None = None) -> None:
        self._name = name
        self._data_dir = data_dir

    def check(self) -> None:
        """Refuses a name that TFDS does not know, unless such a dataset lies in the data directory.

        TFDS itself takes most of a minute to find that out.
        """
        import tensorflow_datasets as tfds

        try:
            dataset, _ = tfds.core.naming.parse_builder_name_kwargs(self._name)
        except ValueError as error:
            raise InputError(
                f"--dataset tfds:{self._name}: is no name of a dataset; expected "
                "tfds:NAME[/CONFIG][:VERSION]"
            ) from error
        directory = self._data_dir or str(tfds.core.constants.DATA_DIR)
        if dataset.namespace or "://" in directory:
            return  # neither lists nor directories of others are on this machine
        known = tfds.list_builders(with_community_datasets=False)  # no builder is imported
        if dataset.name in known or Path(directory, dataset.name).is_dir():
            return
        raise InputError(self._unknown(did_you_mean(dataset.name, known)))

    def _unknown(self, meant: str = "") -> str:
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
            raise InputError(self._unknown()) from error
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

    def prepare(self) -> None:
        builder = self._builder
        if not builder.info.splits:
            from tensorflow_datasets.core.download import downloader

            downloader.MAX_RETRIES = _RETRIES
            try:
                builder.download_and_prepare()
            except Exception as error:  # TFDS passes on all exceptions of downloader and parser
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                raise InputError(
                    f"--dataset {self._name}: not found below {Path(builder.data_dir).parent}, and "
                    f"downloading it failed ({reason[:300]}). Give --data-dir a directory that has "
                    f"it, or prepare it there from a machine with access: "
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

    def splits(self) -> tuple[str, ...]:
        return (TRAIN, TEST) if TEST in self._builder.info.splits else (TRAIN,)

    def fingerprint(self, cache: Path | None = None) -> str:
        info = self._builder.info
        stats = {f: self._stat(f) for split in self.splits() for f in info.splits[split].filepaths}
        if any("://" in os.fspath(file) for file in stats):
            versions = [f"{stat.length}\0{stat.mtime}" for stat in stats.values()]
        else:
            is_large = sum(stat.length for stat in stats.values()) > _READ_UP_TO
            versions = self._digests([os.fspath(file) for file in stats], is_large, cache)
        digest = hashlib.sha256(info.full_name.encode())
        for file, version in zip(stats, versions, strict=True):
            digest.update(f"{file.name}\0{version}\n".encode())
        return digest.hexdigest()

    def _digests(self, files: list[str], is_large: bool, cache: Path | None) -> list[str]:
        digest_of = hash_file if is_large else self._hash_records
        key = hashlib.sha256(f"{digest_of.__name__} {Path(files[0]).parent}".encode()).hexdigest()
        index = cache / "contents" / f"{key[:16]}.json" if cache else None
        return [file.digest for file in read_contents([(f, f) for f in files], index, digest_of)]

    def _stat(self, file: Any) -> Any:
        """Returns length and time of a record file; cached, because in a bucket it is a request."""
        try:
            return file.stat()
        except FileNotFoundError as error:
            raise InputError(
                f"--dataset tfds:{self._name}: {file} is missing; expected what TFDS wrote: delete "
                f"{file.parent} and prepare it again"
            ) from error

    def _hash_records(self, file: str) -> str:
        """Returns the SHA-256 of the examples in a record file, 64 hex digits.

        Containers without a data directory in common prepare the dataset each for itself. What they
        write is the same but for times and for the order of the features in an example: TFDS
        serializes them in that of a hash table, which is another one in every process.
        """
        import tensorflow as tf
        from etils import epath
        from tensorflow_datasets.core import file_adapters

        adapter = file_adapters.ADAPTER_FOR_FORMAT[self._builder.info.file_format]
        digest = hashlib.sha256()
        try:
            for record in adapter.make_tf_data(epath.Path(file)).as_numpy_iterator():
                example = tf.train.Example.FromString(record)
                # The length comes first, so that different sequences of examples never look the
                # same.
                digest.update(
                    hashlib.sha256(example.SerializeToString(deterministic=True)).digest()
                )
        except (tf.errors.DataLossError, DecodeError) as error:
            raise InputError(
                f"--dataset tfds:{self._name}: {file} is damaged; expected what TFDS wrote: delete "
                f"{Path(file).parent} and prepare it again"
            ) from error
        return digest.hexdigest()

    def read(self, split: str) -> Any:
        import apache_beam as beam
        import tensorflow_datasets as tfds

        builder = self._builder
        name = "file_name" if "file_name" in builder.info.features else "tfds_id"
        wanted = {key: True for key in ("image", "label", name) if key in builder.info.features}
        return (
            f"ReadTFDS[{split}]"
            >> tfds.beam.ReadFromTFDS(
                builder,
                split=split,
                decoders=tfds.decode.PartialDecoding(
                    wanted, decoders={"image": tfds.decode.SkipDecoding()}
                ),
                read_config=tfds.ReadConfig(add_tfds_id=True),
            )
            | f"AsNumpy[{split}]" >> beam.Map(tfds.as_numpy)
            | f"Image[{split}]" >> beam.Map(_source_image, name)
        )


def _source_image(example: Mapping[str, Any], name: str) -> SourceImage:
    return SourceImage(example[name].decode(), int(example["label"]), example["image"])
