"""Lists and reads the images in files of serialized tf.Examples, such as TFRecord files."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from common.content_index import FileContent
from common.errors import InputError
from common.files import write_whole
from components.image_example_gen.sources.base import (
    CHANGED,
    ImageReference,
    SourceImage,
    source_image,
    unread_image,
)
from components.image_example_gen.sources.record_readers import SeekingReader, StreamingReader

# A record of a TFRecord file consists of a length (8 bytes), the checksum of the length (4 bytes),
# the data, and the checksum of the data (4 bytes): tensorflow.org/tutorials/load_data/tfrecord,
# "TFRecords format details".
_HEADER, _FOOTER = 12, 4


class RecordImage(NamedTuple):
    """An image in a file of tf.Examples.

    Attributes:
      offset: in an uncompressed TFRecord file, the position of the record's data, in bytes; in any
        other file, the index of the record.
      length: in an uncompressed TFRecord file, the length of the record's data, in bytes; 0 in any
        other file.
      label: the value of the label feature; None if the example has no such feature.
      name: the value of the name feature; empty if the example has no such feature.
      size: the size of the encoded image, in bytes.
      digest: SHA-256 of the image, 64 hex digits.
    """

    offset: int
    length: int
    label: int | str | None
    name: str
    size: int
    digest: str


class Features(NamedTuple):
    """The names of the features from which an image, its label and its name are read.

    Each attribute lists feature names in the order of preference: the first feature that a
    tf.Example contains is read.
    """

    image: tuple[str, ...] = ("image",)
    label: tuple[str, ...] = ("label",)
    name: tuple[str, ...] = ("file_name",)


class RecordFiles:
    """Files of tf.Examples that all have the same file format and the same features."""

    def __init__(
        self,
        features: Features,
        stream: Callable[[str], Any],
        *,
        can_seek: bool,
        expected: str,
    ) -> None:
        """
        Args:
          features: the names of the features.
          stream: a function that takes the path of a file, and returns a `tf.data.Dataset` of its
            records.
          can_seek: whether the files are TFRecord files without compression. If `can_seek` is true,
            records are read by offset; if `can_seek` is false, each file is read from its
            beginning.
          expected: the text that follows "expected" in the error message about a damaged file, such
            as "TFRecords of tf.Examples: write it again".
        """
        self._features = features
        self._stream = stream
        self._can_seek = can_seek
        self._expected = expected

    def list(self, file: FileContent, cache: Path | None) -> Iterator[RecordImage]:
        """Lists the images in a file.

        The list is written to the directory `cache`. If the digest of the file has not changed, a
        later run reads the list from `cache`.

        Raises:
          InputError: the file is damaged, or an example lacks the image feature.
        """
        kept = cache / "contents" / "records" / f"{self._key(file)}.jsonl" if cache else None
        if kept and kept.is_file():
            with kept.open() as lines:
                yield from (RecordImage(*json.loads(line)) for line in lines)
            return
        images = list(self._read_all(file.name))
        if kept and file.digest:
            # If the list cannot be written, the next run reads the file again to list its images.
            with contextlib.suppress(OSError):
                kept.parent.mkdir(parents=True, exist_ok=True)
                write_whole(kept, "".join(f"{json.dumps(image)}\n" for image in images))
        yield from images

    def _key(self, file: FileContent) -> str:
        text = f"{file.digest} {self._features} {self._can_seek}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def _read_all(self, path: str) -> Iterator[RecordImage]:
        import tensorflow as tf

        offset = 0
        try:
            for index, record in enumerate(self._stream(path).as_numpy_iterator()):
                place = (offset + _HEADER, len(record)) if self._can_seek else (index, 0)
                offset += _HEADER + len(record) + _FOOTER
                example = tf.train.Example.FromString(record)
                encoded = self._image(example)
                if encoded is None:
                    raise InputError(
                        f"{path}: record {index} has the features "
                        f"{', '.join(sorted(example.features.feature)) or '(none)'}; expected an "
                        f"encoded image in {' or '.join(self._features.image)}: name the feature "
                        "with ingest.features.image"
                    )
                label = _values(example, self._features.label)
                name = _values(example, self._features.name)
                yield RecordImage(
                    *place,
                    label=_text(label[0]) if label else None,
                    name=str(_text(name[0])) if name else "",
                    size=len(encoded),
                    digest=hashlib.sha256(encoded).hexdigest(),
                )
        except (tf.errors.DataLossError, DecodeError) as error:
            raise InputError(f"{path} is damaged; expected {self._expected}") from error

    def _image(self, example: Any) -> bytes | None:
        values = _values(example, self._features.image)
        return values[0] if len(values) == 1 and isinstance(values[0], bytes) else None

    def location(self, path: str, image: RecordImage) -> str:
        """Returns the `ImageReference.location` of an image in the file at `path`."""
        return f"{image.offset} {image.length} {path}"

    def read(self, images: Iterable[ImageReference]) -> Iterator[SourceImage]:
        """Reads images whose `ImageReference.location` is a string that the method `location`
        returned.

        Yields:
          The images, as `Source.read` yields them. If `can_seek` is false, the images are sorted by
          file and by position in the file, so that each file is read only once.
        """
        import tensorflow as tf

        if not self._can_seek:
            images = sorted(images, key=lambda image: _parse_location(image)[::-1])
        with contextlib.closing(self._open_reader()) as reader:
            for image in images:
                offset, length, path = _parse_location(image)
                try:
                    example = tf.train.Example.FromString(reader.read(path, offset, length))
                except (tf.errors.OpError, OSError, DecodeError, StopIteration) as error:
                    yield unread_image(image, " ".join(str(error).split())[:100] or CHANGED)
                    continue
                encoded = self._image(example) or b""
                is_same = hashlib.sha256(encoded).hexdigest() == image.digest
                yield source_image(image, encoded) if is_same else unread_image(image, CHANGED)

    def _open_reader(self) -> "SeekingReader | StreamingReader":
        return SeekingReader() if self._can_seek else StreamingReader(self._stream)


def name_images(files: Sequence[tuple[str, Sequence[RecordImage]]]) -> Iterator[str]:
    """Yields a name for each image, in the order of the files and of their records.

    If all records contain a name and all names are different, these names are used. If a name is
    missing or occurs twice, the name of each image consists of the name of its file and the index
    of its record, as in TFDS's `tfds_id`.

    Args:
      files: the name and the images of each file.
    """
    names = [image.name for _, images in files for image in images]
    if all(names) and len(set(names)) == len(names):
        yield from names
    else:
        yield from (f"{name}__{index}" for name, images in files for index in range(len(images)))


def _parse_location(image: ImageReference) -> tuple[int, int, str]:
    offset, length, path = image.location.split(" ", 2)
    return int(offset), int(length), path


def _values(example: Any, names: Sequence[str]) -> list[Any]:
    """Returns the values of the first feature in `names` that the example has, or an empty list."""
    for name in names:
        if name in example.features.feature:  # `feature[name]` would add a missing feature
            found = example.features.feature[name]
            kind = found.WhichOneof("kind")
            return list(getattr(found, kind).value) if kind else []
    return []


def _text(value: Any) -> int | str:
    return value.decode(errors="replace") if isinstance(value, bytes) else int(value)
