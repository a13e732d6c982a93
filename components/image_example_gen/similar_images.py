"""Finds images that look the same, so that they can be put into the same split.

ImageExampleGen uses this module only with `ingest.split_by=near_duplicates`.

Beam workers compute views of each image, such as crops and the mirror image (see
`components.data_check.views`), and write the views to files. The executor of ImageExampleGen reads
the files that the workers wrote, and compares the views of different images.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
from tfx.dsl.io import fileio

from components.data_check.measure import measure_views
from components.data_check.near_duplicates import Pair, find_near_duplicates
from components.data_check.views import SIDE, VIEWS, ViewsFile
from components.image_example_gen.normalise import normalise
from components.image_example_gen.quarantine import UnusableError
from components.image_example_gen.shard_plan import plan_shards, read_plan
from components.image_example_gen.sources.base import TRAIN, ImageReference, Source
from components.image_example_gen.sources.registry import make_source
from components.image_example_gen.write_shard import write_plans
from trainer.decoding.limits import Limits

_ROW = np.dtype([("hashes", "<u8", VIEWS), ("greys", "<f2", (VIEWS, SIDE**2))])


class MeasureShard(beam.DoFn):
    """A Beam step that computes views (see `components.data_check.views`) of each image in a shard.

    The input of this step is the path of a plan, a file that lists the images of the shard. The
    step writes the views to one file and the names of the images to another file, both next to the
    plan. The step skips images that cannot be decoded or are too small. The step yields no
    elements, because it writes its results to files.
    """

    def __init__(self, *, source: str, limits: Limits) -> None:
        """
        Args:
          source: the argument of `make_source`, as JSON.
          limits: the limits for the sizes of images.
        """
        self._source = source
        self._limits = limits

    def setup(self) -> None:
        self._images: Source = make_source(self._source)

    def process(self, plan: str) -> Iterator[None]:
        with (
            fileio.open(plan) as lines,
            fileio.open(_rows(plan), "wb") as rows,
            fileio.open(_names(plan), "w") as names,
        ):
            _, images = read_plan(lines)
            for image in self._images.read(images):
                try:
                    encoded = b"" if image.error else normalise(image.encoded, self._limits).encoded
                except UnusableError:
                    continue  # `WriteShard` will quarantine this image later
                if not encoded:
                    continue
                if views := measure_views(encoded):
                    row = np.zeros((), _ROW)
                    row["hashes"], row["greys"] = views.hashes, views.greys
                    rows.write(row.tobytes())
                    names.write(json.dumps(image.file_name) + "\n")
        yield from ()


def find_similar_images(
    images: Sequence[ImageReference], pipeline: Any, *, source: str, limits: Limits, directory: str
) -> list[Pair]:
    """Finds the pairs of images that look the same.

    The function does not compare images that the source itself puts into the validation or test
    split, because the split of these images cannot change.

    The result depends only on the images, and not on the Beam runner or the number of workers.

    Args:
      images: all images of the source.
      pipeline: a function without arguments that returns a new Beam pipeline.
      source: the argument of `make_source`, as JSON.
      limits: the limits for the sizes of images.
      directory: a directory for temporary files, which the function deletes at the end.

    Returns:
      The pairs; `Pair.first` and `Pair.second` are indices into `images`.
    """
    free = [image for image in images if image.split in ("", TRAIN)]
    plans = write_plans(plan_shards(free, [TRAIN] * len(free)), directory)
    with pipeline() as beam_pipeline:
        _ = (
            beam_pipeline
            | "Plans" >> beam.Create(plans)
            | "Spread" >> beam.Reshuffle()
            | "MeasureShard" >> beam.ParDo(MeasureShard(source=source, limits=limits))
        )
    index = {image.file_name: place for place, image in enumerate(images)}
    views, places = [], []
    with ViewsFile() as file:
        for plan in plans:
            with fileio.open(_names(plan)) as names, fileio.open(_rows(plan), "rb") as rows:
                for name in names:
                    row = np.frombuffer(rows.read(_ROW.itemsize), _ROW)[0]
                    views.append(file.store(row["hashes"], row["greys"]))
                    places.append(index[json.loads(name)])
        fileio.rmtree(directory)
        pairs = find_near_duplicates(views)
    return [Pair(places[pair.first], places[pair.second], pair.likeness) for pair in pairs]


def _rows(plan: str) -> str:
    return f"{plan}.rows"


def _names(plan: str) -> str:
    return f"{plan}.names"
