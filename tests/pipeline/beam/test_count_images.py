"""Tests that images are counted in the Beam pipelines that tfx_bsl builds for TFX's nodes."""

import apache_beam as beam
import pytest
import tfx.components  # noqa: F401 (it patches tfx_bsl)
from apache_beam.options.pipeline_options import PipelineOptions

from common.image_counts import VARIABLE, read_image_count
from pipeline.beam.count_images import count_read_images
from pipeline.beam.engine import beam_arguments


class Read(beam.PTransform):
    """Creates five records, and reports telemetry like `RawRecordBeamSource` of tfx_bsl."""

    def expand(self, root):
        from tfx_bsl.tfxio import telemetry

        records = root | beam.Create([b"1", b"2", b"3", b"4", b"5"])
        return records | telemetry.ProfileRawRecords(["test"], "records", "tfrecords_gzip")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("TFXIORead[train]", 5),
        ("TFXIOReadAndDecode[TransformIndex0]", 5),
        ("TFXIOReadAndDecode[AnalysisIndex0]", 0),
    ],
)
def test_images_are_counted_where_a_node_processes_them(label, expected, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    options = PipelineOptions([*beam_arguments(())])
    with count_read_images(), beam.Pipeline(options=options) as pipeline:
        _ = pipeline | label >> Read()
    assert read_image_count(tmp_path) == expected
