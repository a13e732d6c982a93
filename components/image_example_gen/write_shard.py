"""The Beam step that writes the images of a planned shard to a TFRecord file."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import apache_beam as beam
from tfx.dsl.io import fileio

from common.files import write_whole
from common.image_counts import count_images
from components.image_example_gen.counts import DARK, DEEP, QUARANTINE, READ
from components.image_example_gen.normalise import normalise
from components.image_example_gen.quarantine import Reason, UnusableError, format_record
from components.image_example_gen.shard_plan import Shard, format_plan, read_plan
from components.image_example_gen.sources.base import CHANGED, Source, SourceImage
from components.image_example_gen.sources.registry import make_source
from components.image_example_gen.write_examples import make_example, open_shard
from trainer.decoding.limits import Limits

_MOST_OF_12_BITS = 4095


class ShardResult(NamedTuple):
    """The counts and the quarantined images of one shard.

    Attributes:
      tallies: numbers of images, in a dictionary by key and label; the key is READ, QUARANTINE,
        DEEP, DARK, or the name of a split.
      quarantine: one line of the quarantine file for each quarantined image of the shard.
    """

    tallies: Mapping[tuple[str, int], int]
    quarantine: list[str]


class WriteShard(beam.DoFn):
    """Reads the images of a shard one by one, and writes them as examples.

    The input of this step is the path of the shard's plan file. The step writes a `ShardResult` as
    JSON to the file `PLAN.result`, where PLAN is the path of the plan file. One Beam step both
    reads and writes the images, because Beam's DirectRunner keeps all elements that pass between
    two unfused steps in memory.
    """

    def __init__(self, *, source: str, splits: str, classes: int, limits: Limits) -> None:
        """
        Args:
          source: the argument of `make_source`, as JSON.
          splits: the URI of the Examples artifact.
          classes: the number of classes.
          limits: the limits on image size, and the pixel value that means white.
        """
        self._source = source
        self._splits = splits
        self._classes = classes
        self._limits = limits

    def setup(self) -> None:
        self._images: Source = make_source(self._source)

    def process(self, plan: str) -> Iterator[None]:
        tallies: Counter[tuple[str, int]] = Counter()
        quarantine = []
        with fileio.open(plan) as lines:
            shard, images = read_plan(lines)
            uri = f"{self._splits}/Split-{shard.split}"
            with open_shard(uri, shard.index, shard.count) as write:
                for image in self._images.read(images):
                    tallies[READ, image.label] += 1
                    count_images()
                    try:
                        example, peak = self._convert(image)
                    except UnusableError as error:
                        tallies[QUARANTINE, image.label] += 1
                        quarantine.append(_record(error, image))
                        continue
                    write(example)
                    tallies[shard.split, image.label] += 1
                    if peak is not None:
                        tallies[DEEP, image.label] += 1
                        tallies[DARK, image.label] += peak <= _MOST_OF_12_BITS
        rows = [[key, label, count] for (key, label), count in sorted(tallies.items())]
        write_whole(_result(plan), json.dumps([rows, quarantine]))
        yield from ()

    def _convert(self, image: SourceImage) -> tuple[bytes, int | None]:
        """Returns the serialized tf.Example of an image, and the largest pixel value
        (`Normalised.peak`).
        """
        if image.error:
            raise UnusableError(
                Reason.CHANGED if CHANGED in image.error else Reason.UNREADABLE, image.error
            )
        try:
            image.file_name.encode()
        except UnicodeEncodeError as error:
            raise UnusableError(Reason.NAME, "the file name is not UTF-8; rename it") from error
        if not 0 <= image.label < self._classes:  # in TFDS, unlabelled images have the label -1
            raise UnusableError(
                Reason.UNLABELLED, f"label {image.label}: expected 0 to {self._classes - 1}"
            )
        normalised = normalise(image.encoded, self._limits)
        return make_example(normalised.encoded, image.label, image.file_name), normalised.peak


def write_plans(shards: Iterable[Shard], directory: str) -> list[str]:
    """Writes a plan file for each shard; returns the paths of the files."""
    fileio.makedirs(directory)
    paths = []
    for number, shard in enumerate(shards):
        path = f"{directory}/{number:06}.jsonl"
        write_whole(path, format_plan(shard))
        paths.append(path)
    return paths


def read_result(plan: str) -> ShardResult:
    """Returns the `ShardResult` of the shard that the plan file `plan` describes."""
    with fileio.open(_result(plan)) as file:
        rows, quarantine = json.loads(file.read())
    return ShardResult({(key, label): count for key, label, count in rows}, quarantine)


def _result(plan: str) -> str:
    return f"{plan}.result"


def _record(error: UnusableError, image: SourceImage) -> str:
    return format_record(
        error,
        file_name=image.file_name,
        label=image.label,
        size=len(image.encoded),
        digest=hashlib.sha256(image.encoded).hexdigest(),
    )
