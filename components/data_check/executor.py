"""Executor of `DataCheck`."""

import dataclasses
import functools
import itertools
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import tensorflow as tf
from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from common.files import write_whole
from common.image_counts import count_images
from common.notice import print_notice
from components.data_check.issues import (
    EXAMINED_FILE,
    FEATURE_KINDS,
    FILE,
    KINDS,
    LEAK,
    Issue,
    check_leaks,
    find_issues,
    format_issues,
)
from components.data_check.measure import ImageRecord, measure_image
from components.data_check.views import ViewsFile
from components.examples import ImageExample, read_images

EXAMPLES, ISSUES = "examples", "data_issues"
_THREADS = 8
MeasuredImages = Iterator[tuple[list[ImageRecord], list[bytes]]]


class Executor(base_executor.BaseExecutor):
    """Executor of `DataCheck`."""

    _chunk = 64  # number of images that are measured at a time
    _examined: tuple[str, ...] = tuple(kind for kind in KINDS if kind not in FEATURE_KINDS)

    def Do(  # noqa: N802 (TFX requires this name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the list of issues, and prints the number of issues of each kind.

        Raises:
          RefusedError: too many test images look the same as an image of another split.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(input_dict[EXAMPLES])
        with ViewsFile() as file:
            records, issues = self._find_issues(
                measure_images(examples, self._chunk, file),
                json.loads(exec_properties["classes"]),
                input_dict,
                exec_properties,
            )
        uri = artifact_utils.get_single_uri(output_dict[ISSUES])
        tf.io.gfile.makedirs(uri)
        write_whole(f"{uri}/{FILE}", format_issues(issues))
        write_whole(f"{uri}/{EXAMINED_FILE}", json.dumps(self._examined))
        counts = {kind: sum(issue.kind == kind for issue in issues) for kind in KINDS}
        found = ", ".join(f"{kind}: {count}" for kind, count in counts.items() if count)
        logging.info("Issues of the data: %s.", found or "none")
        if counts[LEAK]:
            print_notice(
                f"data check: {counts[LEAK]} near duplicates across splits, see {uri}/{FILE}"
            )
        tested = sum(record.split == "test" for record in records)
        check_leaks(issues, tested, exec_properties["max_leak"])

    def _find_issues(
        self,
        measured: MeasuredImages,
        classes: Sequence[str],
        input_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> tuple[list[ImageRecord], list[Issue]]:
        """Returns the measured values of all images, and the issues that were found."""
        records = [record for chunk, _ in measured for record in chunk]
        return records, find_issues(records, classes)


def measure_images(examples: types.Artifact, chunk: int, file: ViewsFile) -> MeasuredImages:
    """Measures the images of all splits in chunks of at most `chunk` images.

    Yields, for each chunk, the measured values and the encoded images. When the caller asks for the
    next chunk, the function adds the images of the previous chunk to the count for the progress
    display, because the caller has by then processed them.

    Args:
      examples: the Examples artifact of ImageExampleGen.
      chunk: the largest number of images in a chunk.
      file: the temporary file to which the function writes the views of the images (see
        `components.data_check.views`).
    """
    for split in artifact_utils.decode_split_names(examples.split_names):
        images = read_images(artifact_utils.get_split_uri([examples], split))
        measure = functools.partial(_measure, split)
        with ThreadPoolExecutor(_THREADS) as pool:
            while part := list(itertools.islice(images, chunk)):
                records = [_store_views(record, file) for record in pool.map(measure, part)]
                yield records, [example.image for example in part]
                count_images(len(part))


def _store_views(record: ImageRecord, file: ViewsFile) -> ImageRecord:
    if record.views is None:
        return record
    views = file.store(record.views.hashes, record.views.greys)
    return dataclasses.replace(record, views=views)


def _measure(split: str, example: ImageExample) -> ImageRecord:
    return measure_image(
        example.image, file_name=example.file_name, split=split, label=example.label
    )
