"""Counts the images that TFX's Beam nodes read, where Beam's workers read them.

Imports no more than Beam: the threads of a worker import this module beside libraries of TFX, and
Python resolves a deadlock of such imports by handing out an unfinished module.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import apache_beam as beam

from common.image_counts import count_images

_ANALYSIS = "TFXIOReadAndDecode[Analysis"  # label of a step


class _CountImages(beam.DoFn):
    """Counts records, each of which is an image. Workers find the class by its import path."""

    def process(self, record: bytes) -> Iterator[bytes]:
        count_images()
        yield record


@beam.typehints.with_input_types(bytes)
@beam.typehints.with_output_types(bytes)
class _AndCount(beam.PTransform):
    """A transform of records, and the count of them."""

    def __init__(self, original: beam.PTransform) -> None:
        super().__init__()
        self._original = original

    def expand(self, records: beam.PCollection) -> beam.PCollection:
        profiled = records | self._original
        # Transform reads the images for an analysis too, in which it computes nothing: see
        # `_RunBeamImpl` in tfx/components/transform/executor.py.
        if _ANALYSIS in records.pipeline.transforms_stack[-1].full_label:
            return profiled
        return profiled | "CountImages" >> beam.ParDo(_CountImages())


@contextmanager
def count_read_images() -> Iterator[None]:
    """A context in which StatisticsGen, Transform and Evaluator count the images that they read.

    They read records through tfx_bsl, which passes each record through `ProfileRawRecords`
    (tfx_bsl/tfxio/record_based_tfxio.py, `RawRecordBeamSource`). The DoFn after it is fused with
    the steps that follow, so an image is counted just before it is processed: Beam's batches are
    sized to take about a second.
    """
    from tfx_bsl.tfxio import telemetry

    original: Callable[..., beam.PTransform] = telemetry.ProfileRawRecords

    def profile_and_count(*arguments: Any, **options: Any) -> beam.PTransform:
        return _AndCount(original(*arguments, **options))

    telemetry.ProfileRawRecords = profile_and_count
    try:
        yield
    finally:
        telemetry.ProfileRawRecords = original
