"""TFRecords of tf.Examples: records/train-00000-of-00008.tfrecord, …"""

import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from common.content_index import FileContent, index_path, read_contents
from common.errors import InputError
from components.image_example_gen.sources.base import (
    NO_LABEL,
    ImageReference,
    Source,
    SourceImage,
)
from components.image_example_gen.sources.class_list import ClassList, sort_names
from components.image_example_gen.sources.given_splits import GivenSplits
from components.image_example_gen.sources.record_files import MARK, RecordFile, find_record_files
from components.image_example_gen.sources.records import (
    Features,
    RecordFiles,
    RecordImage,
    name_images,
)

# The names of features, in the order of preference: first the name that this project writes, then
# other common names. A feature with class names is preferred to a feature with class numbers,
# because the class numbers in datasets of TensorFlow's model garden start at 1 and not at 0.
_FEATURES = Features(
    image=("image", "image/encoded", "encoded", "image_raw"),
    label=("label", "image/class/text", "image/class/label", "class"),
    name=("file_name", "filename", "image/filename"),
)
_GZIP = ".gz"


class TfrecordSource(Source):
    """TFRecord files, with or without gzip, of tf.Examples with an encoded image and a label.

    A label is a class name or a number. A number is an index into the class names that the user
    gave, or, if the user gave no class names, the class name itself. If the name of a file or of
    its folder contains the name of a split, the images in the file belong to that split.
    """

    def __init__(
        self,
        path: str,
        splits: Mapping[str, Sequence[str]] | None = None,
        classes: Sequence[str] = (),
        features: Mapping[str, str] | None = None,
    ) -> None:
        """
        Args:
          path: path or URI of a TFRecord file, a pattern with *, or the path of a folder.
          splits: the names of the files or folders of each split, which may contain the wildcards *
            and ?; if None, common names such as `val` are recognised.
          classes: the class names; if empty, the labels in the examples.
          features: maps any of the keys `image`, `label` and `name` to the name of the feature that
            contains the image, its label or its name; for a missing key, the names in `_FEATURES`
            are tried.
        """
        self._path = path
        self._splits = GivenSplits(splits)
        self._given_classes = tuple(classes)
        given = {key: (name,) for key, name in (features or {}).items()}
        self._features = _FEATURES._replace(**given)
        self._classes: ClassList | None = None

    def check(self) -> None:
        if "://" not in self._path:
            _ = self._files

    def prepare(self, cache: Path | None = None) -> None:
        self.images(cache)
        if len(self.classes()) < 2:
            raise InputError(
                f"{self._path}: found {len(self.classes())} classes; expected at least 2"
            )

    def classes(self) -> tuple[str, ...]:
        self.images()
        assert self._classes is not None  # `images` calls `_list_images`, which sets `_classes`
        return self._classes.names

    def _list_images(self, cache: Path | None) -> Sequence[ImageReference]:
        listed = [
            (file, list(self._records(file.path).list(content, cache)))
            for file, content in zip(self._files, self._contents(cache), strict=True)
        ]
        labels = {image.label for _, images in listed for image in images}
        self._classes = self._find_classes(labels - {None, NO_LABEL, ""})
        names = name_images([(file.name, images) for file, images in listed])
        return [
            ImageReference(
                file_name=next(names),
                label=self._label(image),
                location=self._records(file.path).location(file.path, image),
                size=image.size,
                digest=image.digest,
                split=self._split(file) or "",
            )
            for file, images in listed
            for image in images
        ]

    def _find_classes(self, labels: set[int | str | None]) -> ClassList:
        if self._given_classes and all(isinstance(label, int) for label in labels):
            return ClassList(self._given_classes, (), self._path)
        return ClassList(self._given_classes, sort_names(set(map(str, labels))), self._path)

    def _label(self, image: RecordImage) -> int:
        if image.label in (None, NO_LABEL, ""):
            return NO_LABEL
        if self._given_classes and isinstance(image.label, int):
            return image.label  # if the label is too large, `WriteShard` quarantines the image
        assert self._classes is not None
        return self._classes.label(str(image.label))

    def read(self, images: Iterable[ImageReference]) -> Iterator[SourceImage]:
        """Reads images: first the images in uncompressed files, then the images in compressed
        files.
        """
        compressed: list[ImageReference] = []
        plain: list[ImageReference] = []
        for image in images:
            (compressed if image.location.endswith(_GZIP) else plain).append(image)
        yield from self._records("").read(plain)
        yield from self._records(_GZIP).read(compressed)

    def _records(self, path: str) -> RecordFiles:
        import tensorflow as tf

        is_compressed = path.endswith(_GZIP)
        return RecordFiles(
            self._features,
            lambda file: tf.data.TFRecordDataset(file, "GZIP" if is_compressed else ""),
            can_seek=not is_compressed,
            expected="TFRecords of tf.Examples: write the file again",
        )

    @functools.cached_property
    def _files(self) -> list[RecordFile]:
        """Returns the TFRecord files.

        Raises:
          InputError: there is no TFRecord file, or only some of the file names contain the name of
            a split.
        """
        files = find_record_files(self._path)
        if not files:
            raise InputError(
                f"{self._path}: found no record file; expected a path, a pattern or a folder of "
                f"files with {MARK} in their names"
            )
        unknown = [file.name for file in files if not self._split(file)]
        if 0 < len(unknown) < len(files):
            raise InputError(
                f"{self._path}: some files are named after a split, but {unknown[0]} is not; "
                "expected a split in every name or in none: set the files of each split, such as "
                f"--set ingest.splits.train={unknown[0]}"
            )
        return files

    def _split(self, file: RecordFile) -> str | None:
        parts = file.name.split("/")
        # The name of the file takes precedence over the names of its folders.
        names = (file.name, *reversed(parts))
        return next((split for name in names if (split := self._splits.find(name))), None)

    def _contents(self, cache: Path | None) -> list[FileContent]:
        """Returns the path, the size and the digest of each TFRecord file.

        In a bucket, the digest is computed from the checksum in the bucket's listing.
        """
        if "://" in self._path:
            return [FileContent(file.path, file.size, file.digest) for file in self._files]
        index = index_path(cache, os.path.abspath(self._path))
        return read_contents([(file.path, file.path) for file in self._files], index)
