"""Counts, in Beam's workers, the images that TFX's nodes read.

This module imports no library except Beam, because the threads of a Beam worker may import this
module and TFX's libraries at the same time. If two threads wait for each other's imports, Python
lets one thread use a module that is not completely loaded.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import apache_beam as beam

from common.image_counts import count_images
from common.replace_attribute import replace_attribute

# The Beam step in which Transform reads the images for TFT's analyzers has a label that contains
# this text.
_ANALYSIS = "TFXIOReadAndDecode[Analysis"


class _CountImages(beam.DoFn):
    """Counts serialized examples, each of which contains one image."""

    def process(self, record: bytes) -> Iterator[bytes]:
        count_images()
        yield record


@beam.typehints.with_input_types(bytes)
@beam.typehints.with_output_types(bytes)
class _AndCount(beam.PTransform):
    """Applies the PTransform `original` to serialized examples, and counts the examples."""

    def __init__(self, original: beam.PTransform) -> None:
        super().__init__()
        self._original = original

    def expand(self, records: beam.PCollection) -> beam.PCollection:
        profiled = records | self._original
        # Transform reads the images twice: for TFT's analyzers, and for the transformation
        # (`_RunBeamImpl` in tfx/components/transform/executor.py). This pipeline has no analyzers,
        # so only the second step counts the images.
        if _ANALYSIS in records.pipeline.transforms_stack[-1].full_label:
            return profiled
        return profiled | "CountImages" >> beam.ParDo(_CountImages())


@contextmanager
def count_read_images() -> Iterator[None]:
    """A context in which StatisticsGen, Transform and Evaluator count the images that they read.

    TFX's nodes read serialized examples through tfx_bsl, which applies the PTransform
    `ProfileRawRecords` to the examples (tfx_bsl/tfxio/record_based_tfxio.py,
    `RawRecordBeamSource`). This context inserts a counting step after `ProfileRawRecords`. Beam
    fuses the counting step with the steps that process the images, so a batch of images is counted
    immediately before it is processed. Processing a batch takes about a second, so the count is at
    most about a second ahead of the processed images.
    """
    from tfx_bsl.tfxio import telemetry

    original: Callable[..., beam.PTransform] = telemetry.ProfileRawRecords

    def profile_and_count(*arguments: Any, **options: Any) -> beam.PTransform:
        return _AndCount(original(*arguments, **options))

    with replace_attribute(telemetry, "ProfileRawRecords", profile_and_count):
        yield
