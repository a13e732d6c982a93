"""Executor of `DataCheck`."""

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
from common.notice import notice
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
from components.examples import ImageExample, read_images

EXAMPLES, ISSUES = "examples", "data_issues"
_THREADS, _CHUNK = 8, 64


class Executor(base_executor.BaseExecutor):
    """Executor of `DataCheck`."""

    _examined: tuple[str, ...] = tuple(kind for kind in KINDS if kind not in FEATURE_KINDS)

    def Do(  # noqa: N802 (TFX requires this name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the list of issues, and prints the number of issues of each kind.

        Raises:
          RefusedError: the share of test images that look the same as an image of another split is
            too large.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(input_dict[EXAMPLES])
        records, issues = self._find_issues(
            examples, json.loads(exec_properties["classes"]), input_dict, exec_properties
        )
        uri = artifact_utils.get_single_uri(output_dict[ISSUES])
        tf.io.gfile.makedirs(uri)
        write_whole(f"{uri}/{FILE}", format_issues(issues))
        write_whole(f"{uri}/{EXAMINED_FILE}", json.dumps(self._examined))
        counts = {kind: sum(issue.kind == kind for issue in issues) for kind in KINDS}
        found = ", ".join(f"{kind}: {count}" for kind, count in counts.items() if count)
        logging.info("Issues of the data: %s.", found or "none")
        if counts[LEAK]:
            notice(f"data check: {counts[LEAK]} near duplicates across splits, see {uri}/{FILE}")
        tested = sum(record.split == "test" for record in records)
        check_leaks(issues, tested, exec_properties["max_leak"])

    def _find_issues(
        self,
        examples: types.Artifact,
        classes: Sequence[str],
        input_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> tuple[list[ImageRecord], list[Issue]]:
        """Returns the records of all images, and the issues."""
        records = [record for chunk, _ in measure_images(examples, _CHUNK) for record in chunk]
        return records, find_issues(records, classes)


def measure_images(
    examples: types.Artifact, chunk: int
) -> Iterator[tuple[list[ImageRecord], list[bytes]]]:
    """Measures the images of all splits; yields the records and bytes of up to `chunk`.

    Images are counted for the console when the caller asks for the next ones, so the count includes
    the caller's work on them.
    """
    for split in artifact_utils.decode_split_names(examples.split_names):
        images = read_images(artifact_utils.get_split_uri([examples], split))
        measure = functools.partial(_measure, split)
        with ThreadPoolExecutor(_THREADS) as pool:
            while part := list(itertools.islice(images, chunk)):
                yield list(pool.map(measure, part)), [example.image for example in part]
                count_images(len(part))


def _measure(split: str, example: ImageExample) -> ImageRecord:
    return measure_image(
        example.image, file_name=example.file_name, split=split, label=example.label
    )
