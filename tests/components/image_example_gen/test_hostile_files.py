"""Tests that ingestion writes or quarantines every unusual or randomly damaged file."""

import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.image_example_gen.normalise import normalise
from components.image_example_gen.plain_jpeg import is_plain_jpeg
from components.image_example_gen.quarantine import UnusableError
from tests.components.image_example_gen.hostile_files import WRITTEN, hostile_files
from tests.conftest import encode, gradient
from trainer.decoding.limits import Limits

LIMITS = Limits(max_side=1024, max_pixels=10**8)
FILES = hostile_files()


@pytest.mark.parametrize("name", FILES)
def test_each_kind_is_written_or_quarantined(name):
    encoded, expected = FILES[name]
    try:
        written = normalise(encoded, LIMITS).encoded
        found = WRITTEN
    except UnusableError as error:
        found = error.reason
        assert error.detail
        assert "\n" not in error.detail
    assert found == expected
    if found is WRITTEN:
        assert is_plain_jpeg(written, LIMITS) or name == "one_row.jpg"
        tf.io.decode_jpeg(written, channels=3)


VALID = {
    "jpeg": encode(gradient(), "JPEG", quality=95),
    "progressive": encode(gradient(), "JPEG", progressive=True),
    "png": encode(gradient(), "PNG"),
    "gif": encode(gradient().quantize(8), "GIF"),
    "bmp": encode(gradient().quantize(8), "BMP"),
    "webp": encode(gradient(), "WEBP"),
    "tiff": encode(gradient().convert("L"), "TIFF"),
    "ico": encode(gradient(16, 16), "ICO"),
}


@st.composite
def damaged_files(draw):
    """Generates damaged image files: changes, removes or inserts bytes in a valid file."""
    encoded = bytearray(VALID[draw(st.sampled_from(sorted(VALID)))])
    for _ in range(draw(st.integers(1, 4))):
        position = draw(st.integers(0, len(encoded) - 1))
        match draw(st.sampled_from(["change", "cut", "put in", "end"])):
            case "change":
                encoded[position] = draw(st.integers(0, 255))
            case "cut":
                del encoded[position : position + draw(st.integers(1, 20))]
            case "put in":
                encoded[position:position] = draw(st.binary(min_size=1, max_size=20))
            case "end":
                del encoded[max(position, 1) :]
        if not encoded:
            break
    return bytes(encoded)


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(damaged_files())
def test_a_damaged_file_is_written_or_quarantined(encoded):
    """TensorFlow decodes every file that ingestion accepts, so Transform will not fail.

    To save time, ingestion checks most JPEGs by decoding them at an eighth of their size. Unlike
    ingestion, this test decodes each written JPEG at full size, as Transform does.
    """
    limits = Limits(max_side=1024, max_pixels=10**6)
    try:
        written = normalise(encoded, limits).encoded
    except UnusableError:
        return
    assert tf.io.decode_jpeg(written, channels=3).shape[2] == 3
