"""Writes the images of a source as tf.Examples in three splits.

ImageExampleGen's executor also writes `quarantine.jsonl`, a list of the quarantined images, and
`counts.json`, which contains the numbers of images.
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import apache_beam as beam
from absl import logging
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from common.errors import InputError, RefusedError
from common.example_counts import COUNTS_FILE
from common.files import write_whole
from components.image_example_gen.counts import (
    QUARANTINE,
    QUARANTINE_FILE,
    READ,
    format_counts,
    read_counts,
    read_counts_of_classes,
)
from components.image_example_gen.enough_images import check_splits, check_trained
from components.image_example_gen.listing import Listing, read_listing
from components.image_example_gen.quarantine import Reason
from components.image_example_gen.shard_plan import plan_shards
from components.image_example_gen.sources.base import SPLITS, TRAIN
from components.image_example_gen.sources.registry import make_source
from components.image_example_gen.split import NEAR_DUPLICATES, assign_splits
from components.image_example_gen.unread import note_unread
from components.image_example_gen.write_shard import WriteShard, read_result, write_plans
from trainer.decoding.limits import Limits

EXAMPLES_KEY = "examples"
OUTCOMES = (*SPLITS, QUARANTINE)
_UNREAD = (Reason.UNREADABLE, Reason.CHANGED)


class Executor(base_beam_executor.BaseBeamExecutor):
    """Executor of `ImageExampleGen`."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the Examples artifact.

        Args:
          input_dict: empty.
          output_dict: `examples`, one Examples artifact.
          exec_properties: the properties that `ImageExampleGenSpec` lists.

        Raises:
          InputError: the source cannot be read, or its classes differ from those for which the
            pipeline was built.
          RefusedError: a split is empty, or a class has no training image.
          RuntimeError: an image that was read was neither written nor quarantined.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        artifact = artifact_utils.get_single_instance(output_dict[EXAMPLES_KEY])
        classes = tuple(json.loads(exec_properties["classes"]))
        found = _list_images(exec_properties)
        if found.classes != classes:
            raise InputError(
                f"the source has the classes {', '.join(found.classes)}; expected "
                f"{', '.join(classes)}, for which the pipeline was built; build the pipeline again"
            )
        images = found.images
        artifact.split_names = artifact_utils.encode_split_names(list(SPLITS))
        examples_utils.set_payload_format(artifact, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(artifact, "tfrecords_gzip")
        for split in SPLITS:
            fileio.makedirs(artifact_utils.get_split_uri([artifact], split))

        directory = f"{artifact.uri}/plan"
        limits = Limits(
            max_side=exec_properties["max_side"],
            max_pixels=exec_properties["max_pixels"],
            max_value=exec_properties["max_value"],
        )
        alike: list[tuple[int, int]] = []
        if exec_properties["split_by"] == NEAR_DUPLICATES:
            from components.image_example_gen.similar_images import find_similar_images

            pairs = find_similar_images(
                images,
                self._make_beam_pipeline,
                source=exec_properties["source"],
                limits=limits,
                directory=f"{artifact.uri}/similar",
            )
            alike = [(pair.first, pair.second) for pair in pairs]
            logging.info("%d pairs of images look the same; they are not divided.", len(alike))
        plans = write_plans(plan_shards(images, assign_splits(images, alike)), directory)
        with self._make_beam_pipeline() as pipeline:
            # A plan is a file that lists the images of one shard. The Beam job contains only the
            # paths of the plans, because the size of a Beam job is limited.
            _ = (
                pipeline
                | "Plans" >> beam.Create(plans)
                | "Spread" >> beam.Reshuffle()
                | "WriteShard"
                >> beam.ParDo(
                    WriteShard(
                        source=exec_properties["source"],
                        splits=artifact.uri,
                        classes=len(classes),
                        limits=limits,
                    )
                )
            )
        quarantine = _collect(plans, artifact.uri)
        fileio.rmtree(directory)
        unread = [record["file_name"] for record in quarantine if record["reason"] in _UNREAD]
        if unread:
            fingerprint = exec_properties["source_fingerprint"]
            note_unread(exec_properties["unread_notes"], fingerprint, unread)
        _check_counts(read_counts(artifact.uri), len(images))
        _check_classes(read_counts_of_classes(artifact.uri, len(classes)), classes)


def _list_images(exec_properties: dict[str, Any]) -> Listing:
    """Returns the images that were listed at the start of the run.

    If the list of images is missing or damaged, the function lists the images again.
    """
    source = make_source(exec_properties["source"])
    listing = read_listing(exec_properties["listing"])
    if listing is None:
        source.prepare()
        return Listing(source.classes(), source.images())
    # The list may come from another container, which downloaded the images to its own disk, so this
    # container must download the images again.
    if source.downloads:
        source.prepare()
    return listing


def _collect(plans: Sequence[str], uri: str) -> list[dict[str, Any]]:
    """Writes `quarantine.jsonl` and `counts.json`; returns the entries of `quarantine.jsonl`."""
    tallies: Counter[tuple[str, int]] = Counter()
    reasons: Counter[str] = Counter()
    records = []
    with fileio.open(f"{uri}/{QUARANTINE_FILE}", "w") as file:
        for result in map(read_result, plans):
            tallies.update(result.tallies)
            for line in result.quarantine:
                file.write(f"{line}\n")
                records.append(json.loads(line))
                reasons[records[-1]["reason"]] += 1
    write_whole(f"{uri}/{COUNTS_FILE}", format_counts(tallies, reasons))
    return records


def _check_counts(counts: dict[str, int], listed: int) -> None:
    read, quarantined = counts[READ], counts[QUARANTINE]
    if read != listed:
        raise RuntimeError(f"images were lost: {listed} images were listed; found {counts}")
    if read != sum(counts[outcome] for outcome in OUTCOMES):
        raise RuntimeError(
            f"images were lost: {counts}; expected `read` to be the sum of the other counts"
        )
    check_splits(counts, f"{read} images read, {quarantined} of them quarantined")


def _check_classes(counts: dict[str, list[int]], classes: Sequence[str]) -> None:
    check_trained(
        [
            f"{name} ({read} read, {quarantined} of them quarantined)"
            for name, read, trained, quarantined in zip(
                classes, counts[READ], counts[TRAIN], counts[QUARANTINE], strict=True
            )
            if read and not trained
        ]
    )
    found = [name for name, trained in zip(classes, counts[TRAIN], strict=True) if trained]
    if len(found) < 2:
        raise RefusedError(
            f"all training images are of the class {found[0]}; expected at least 2 classes"
        )
