"""Tests that ingestion and serving decode images as Pillow does: pixels, orientation, errors."""

import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from tests.conftest import encode, gradient
from tests.trainer.decoding import image_files
from trainer.decoding.image_file import (
    decode_plain_jpeg,
    decode_upright,
    find_format,
)
from trainer.decoding.limits import Limits

SUITE = Path(__file__).parent / "suite"
LIMITS = Limits(max_side=1024, max_pixels=10**6)

# Damaged files that Pillow decodes but `decode_upright` refuses: a PNG with a wrong checksum, and
# JPEGs with flipped or zeroed bytes.
ONLY_PILLOW = {"xcsn0g01.png", "bits_flipped.jpg", "zero_hole.jpg", "zero_tail.jpg"}


@pytest.fixture(scope="module")
def decode():
    """Returns a function that decodes a file and returns the fields of `Decoded`."""
    function = tf.function(
        lambda encoded: decode_upright(encoded, LIMITS),
        input_signature=[tf.TensorSpec([], tf.string)],
        autograph=False,
    )

    def decode(encoded):
        image, is_as_stored = function(tf.constant(encoded))
        return image.numpy(), bool(is_as_stored)

    return decode


def difference(one, other):
    assert one.shape == other.shape
    return np.abs(one.astype(np.float32) - other.astype(np.float32)).mean()


def jpeg(**options):
    return encode(gradient(), "JPEG", quality=95, **options)


def suite():
    return sorted(path for path in SUITE.glob("*/*") if path.suffix != ".README")


@pytest.mark.parametrize("path", suite(), ids=lambda path: path.name)
def test_files_of_the_suite(decode, path):
    """`decode_upright` and Pillow decode each file to the same pixels, or both refuse the file."""
    encoded = path.read_bytes()
    try:
        expected = image_files.decode_with_pillow(encoded)
    except (OSError, SyntaxError, PIL.Image.DecompressionBombError):
        expected = None
    if expected is None or path.name in ONLY_PILLOW:
        with pytest.raises(tf.errors.InvalidArgumentError):
            decode(encoded)
    else:
        assert difference(decode(encoded)[0], expected) < 1.5


@pytest.mark.parametrize("shape", ["Landscape", "Portrait"])
def test_all_orientations_look_the_same(decode, shape):
    images = [decode((SUITE / "exif" / f"{shape}_{i}.jpg").read_bytes())[0] for i in range(1, 9)]
    for image in images:
        # not 0, because each file was compressed separately
        assert difference(image, images[0]) < 8


CARRIERS = {
    "jpeg": lambda value: jpeg(exif=b"Exif\0\0" + image_files.exif(value)),
    "jpeg, big-endian": lambda value: jpeg(exif=b"Exif\0\0" + image_files.exif(value, ">")),
    "png": lambda value: image_files.png_with_chunk(b"eXIf", image_files.exif(value)),
    "png, behind the pixels": lambda value: image_files.png_with_chunk(
        b"eXIf", image_files.exif(value, ">"), behind_pixels=True
    ),
    "png, by ImageMagick": lambda value: image_files.png_with_chunk(
        b"tEXt", image_files.profile(value)
    ),
    "webp": lambda value: encode(
        gradient(), "WEBP", lossless=True, exif=b"Exif\0\0" + image_files.exif(value)
    ),
    "webp, without a prefix": lambda value: encode(
        gradient(), "WEBP", lossless=True, exif=image_files.exif(value)
    ),
}


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(decode, carrier, orientation):
    turns = [
        None,
        PIL.Image.Transpose.FLIP_LEFT_RIGHT,
        PIL.Image.Transpose.ROTATE_180,
        PIL.Image.Transpose.FLIP_TOP_BOTTOM,
        PIL.Image.Transpose.TRANSPOSE,
        PIL.Image.Transpose.ROTATE_270,
        PIL.Image.Transpose.TRANSVERSE,
        PIL.Image.Transpose.ROTATE_90,
    ]
    turn = turns[orientation - 1]
    expected = gradient() if turn is None else gradient().transpose(turn)
    image, is_as_stored = decode(CARRIERS[carrier](orientation))
    assert difference(image, np.asarray(expected)) < 2
    assert is_as_stored == (orientation == 1 and carrier.startswith("jpeg"))


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"rubbish",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\xff\xff\xff\xff",
        image_files.exif(6)[:-9],
        image_files.exif(0),
        image_files.exif(9),
        # The orientation has the EXIF type ASCII instead of SHORT.
        image_files.exif(6).replace(b"\x12\x01\x03\0", b"\x12\x01\x02\0"),
    ],
)
def test_damaged_exif_is_ignored(decode, exif):
    assert difference(decode(jpeg(exif=b"Exif\0\0" + exif))[0], np.asarray(gradient())) < 2


RNG = np.random.default_rng(0)
DEEP = {n: RNG.integers(0, 2**16, [9, 7, *([n] if n else [])], np.uint16) for n in (0, 3, 4)}
KINDS = {
    "grey jpeg": encode(gradient().convert("L"), "JPEG", quality=95),
    "cmyk jpeg": encode(gradient().convert("CMYK"), "JPEG", quality=95),
    "progressive jpeg": jpeg(progressive=True),
    "jpeg with rubbish between its markers": jpeg()[:20] + bytes(5000) + jpeg()[20:],
    "jpeg with fill bytes": jpeg()[:20] + b"\xff" * 9 + jpeg()[20:],
    "16-bit grey png": image_files.png_of_numbers(DEEP[0]),
    "16-bit png": image_files.png_of_numbers(DEEP[3]),
    "16-bit png with alpha": image_files.png_of_numbers(DEEP[4]),
    "png with alpha": encode(image_files.transparent(), "PNG"),
    "grey png with alpha": encode(image_files.transparent("LA"), "PNG"),
    "png of a palette with a transparent colour": encode(
        image_files.transparent("P"), "PNG", transparency=0
    ),
    "gif": encode(gradient().quantize(256), "GIF"),
    "animated gif": image_files.animation("GIF"),
    "gif with a transparent colour": encode(image_files.transparent("P"), "GIF", transparency=0),
    "gif with XMP": encode(gradient(), "GIF", xmp=b"<xmp>" * 300),
    "lossy webp": encode(gradient(), "WEBP", quality=95),
    "lossless webp": encode(gradient(), "WEBP", lossless=True),
    "lossy webp with alpha": encode(image_files.transparent(), "WEBP", quality=95),
    "lossless webp with alpha": encode(image_files.transparent(), "WEBP", lossless=True),
} | {
    f"{depth}-bit bmp{', top down' if top_down else ''}": image_files.bmp(depth, top_down=top_down)
    for depth in (1, 4, 8, 24, 32)
    for top_down in (False, True)
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_files(decode, kind):
    image, is_as_stored = decode(KINDS[kind])
    expected = image_files.decode_with_pillow(KINDS[kind])
    assert difference(image, expected) < (3 if "lossy" in kind or "jpeg" in kind else 1)
    assert is_as_stored == ("jpeg" in kind and kind not in ("grey jpeg", "cmyk jpeg"))


def test_the_canvas_of_a_gif_is_white(decode):
    """Pixels of the canvas outside the first frame are white."""
    image, _ = decode(image_files.partial_gif())
    expected = np.full([44, 52, 3], 255, np.uint8)
    expected[10:34, 10:42] = np.asarray(gradient().quantize(16).convert("RGB"))
    assert difference(image, expected) == 0


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(1025, 700), (300, 2001)])
def test_large_images_are_made_smaller_with_pillows_filter(decode, format, size):
    noise = PIL.Image.fromarray(RNG.integers(0, 255, [30, 20, 3], np.uint8))
    source = noise.resize(size, PIL.Image.Resampling.BICUBIC)
    image, is_as_stored = decode(encode(source, format))
    assert not is_as_stored
    height, width, _ = image.shape
    assert max(height, width) == LIMITS.max_side
    assert abs(height / width / (size[1] / size[0]) - 1) < 0.01
    expected = source.resize((width, height), PIL.Image.Resampling.LANCZOS)
    assert difference(image, np.asarray(expected)) < 2


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        (b"", "not an image of a known format"),
        (b"rubbish", "not an image of a known format"),
        (b"\xff\xd8\xff", "states no size"),
        (b"\xff\xd8\xff" + bytes(10**6), "states no size"),
        (encode(gradient(), "TIFF"), "not an image of a known format"),
        (image_files.animation("WEBP"), "animated WebP"),
        (image_files.animation("WEBP", "RGBA"), "animated WebP"),
        (encode(gradient().quantize(16), "BMP")[:30] + b"\1" + bytes(90), "this kind of BMP"),
        (image_files.png_bomb(1001), "1001.*pixels; at most 1000000"),
        (encode(PIL.Image.new("L", (1001, 1000)), "GIF"), "at most 1000000"),
        (encode(PIL.Image.new("L", (1001, 1000)), "BMP"), "at most 1000000"),
        (encode(PIL.Image.new("RGB", (1001, 1000)), "WEBP"), "at most 1000000"),
        (encode(PIL.Image.new("RGB", (1001, 1000)), "JPEG"), "at most 1000000"),
    ],
    ids=range(13),
)
def test_files_that_are_refused_by_their_headers(decode, encoded, message):
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        decode(encoded)
    words = error.value.message.replace("] [", " ")
    assert re.search(message, words), words


@pytest.mark.parametrize("kind", ["progressive jpeg", "png with alpha", "gif", "lossless webp"])
def test_a_file_that_is_cut_off_is_refused(decode, kind):
    """The test cuts off more than 40 bytes from the end of each file."""
    encoded = encode(gradient(), "GIF") if kind == "gif" else KINDS[kind]
    for length in range(0, len(encoded) - 40, max(1, len(encoded) // 60)):
        with pytest.raises(tf.errors.InvalidArgumentError):
            decode(encoded[:length])


@pytest.mark.parametrize("kind", ["grey jpeg", "progressive jpeg", *list(KINDS)[5:]])
def test_flipped_bytes_are_an_error_or_pixels(decode, kind):
    """Decoding a damaged file returns pixels or raises InvalidArgumentError; it neither crashes nor
    loops forever."""
    encoded = KINDS[kind]
    for position in RNG.integers(0, len(encoded), 25):
        damaged = bytearray(encoded)
        damaged[position] ^= int(RNG.integers(1, 256))
        try:
            image, _ = decode(bytes(damaged))
        except tf.errors.InvalidArgumentError:
            continue
        assert image.dtype == np.uint8
        assert 0 < max(image.shape[:2]) <= LIMITS.max_side


def test_formats_are_found_by_their_first_bytes():
    names = {"JPEG": "JPEG", "PNG": "PNG", "GIF": "GIF", "BMP": "BMP", "WEBP": "WebP"}
    for format, name in names.items():
        assert find_format(encode(gradient(), format)).name == name
    for encoded in (b"", b"B", b"rubbish", b"RIFF1234AVI ", encode(gradient(), "TIFF")):
        assert find_format(encoded) is None


def test_decode_plain_jpeg_agrees_and_refuses_other_files(decode):
    """`decode_plain_jpeg` refuses large JPEGs, JPEGs with EXIF, and files that are not JPEGs."""
    function = tf.function(
        lambda encoded: decode_plain_jpeg(encoded, LIMITS),
        input_signature=[tf.TensorSpec([], tf.string)],
        autograph=False,
    )
    files = KINDS | {"exif": CARRIERS["jpeg"](1), "large": encode(gradient(9, 1025), "JPEG")}
    files |= {path.name: path.read_bytes() for path in suite()}
    plain = []
    for name, encoded in files.items():
        try:
            image = function(tf.constant(encoded)).numpy()
        except tf.errors.InvalidArgumentError:
            continue
        plain.append(name)
        np.testing.assert_array_equal(image, decode(encoded)[0])
    assert {"grey jpeg", "cmyk jpeg", "progressive jpeg"} <= set(plain)
    assert not {"exif", "large", "16-bit png", "Portrait_6.jpg", "flower2.webp"} & set(plain)
