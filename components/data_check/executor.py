"""Executor of `DataCheck`."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import tensorflow as tf
from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from common.errors import RefusedError
from common.files import write_whole
from common.image_counts import count_images
from common.notice import notice
from components.data_check.issues import FILE, KINDS, LEAK, count_leaks, find_issues, format_issues
from components.data_check.measure import ImageRecord, measure_image

EXAMPLES, ISSUES = "examples", "data_issues"
_THREADS, _CHUNK = 8, 256


class Executor(base_executor.BaseExecutor):
    """Executor of `DataCheck`."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the list of issues, and says how many there are of each kind.

        Raises:
          RefusedError: too large a share of the test images looks the same as images of other
            splits.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(input_dict[EXAMPLES])
        classes = json.loads(exec_properties["classes"])
        records = list(_read_records(examples))
        issues = find_issues(records, classes)
        uri = artifact_utils.get_single_uri(output_dict[ISSUES])
        tf.io.gfile.makedirs(uri)
        write_whole(f"{uri}/{FILE}", format_issues(issues))
        counts = {kind: sum(issue.kind == kind for issue in issues) for kind in KINDS}
        found = ", ".join(f"{kind}: {count}" for kind, count in counts.items() if count)
        logging.info("Issues of the data: %s.", found or "none")
        if counts[LEAK]:
            notice(f"data check: {counts[LEAK]} near duplicates across splits, see {uri}/{FILE}")
        tested = sum(record.split == "test" for record in records)
        leaks, limit = count_leaks(issues), exec_properties["max_leak"]
        if tested and leaks / tested > limit:
            first = next(issue for issue in issues if issue.kind == LEAK)
            raise RefusedError(
                f"{leaks} of {tested} test images ({leaks / tested:.1%}) look the same as images "
                f"of other splits, such as {first.file_name} ({first.split}) and {first.other} "
                f"({first.other_split}); expected at most data.max_leak={limit:g}; remove the "
                "duplicates, or allow more with --set data.max_leak=1"
            )


def _read_records(examples: types.Artifact) -> Iterator[ImageRecord]:
    """Yields a record of each image of all splits."""
    for split in artifact_utils.decode_split_names(examples.split_names):
        shards = sorted(tf.io.gfile.glob(f"{artifact_utils.get_split_uri([examples], split)}/*"))
        chunks = tf.data.TFRecordDataset(shards, "GZIP").batch(_CHUNK)
        with ThreadPoolExecutor(_THREADS) as pool:
            for chunk in chunks.as_numpy_iterator():
                yield from pool.map(lambda text, split=split: _measure(text, split), chunk)


def _measure(text: bytes, split: str) -> ImageRecord:
    count_images()
    features = tf.train.Example.FromString(text).features.feature
    return measure_image(
        features["image"].bytes_list.value[0],
        file_name=features["file_name"].bytes_list.value[0].decode(errors="backslashreplace"),
        split=split,
        label=features["label"].int64_list.value[0],
    )
