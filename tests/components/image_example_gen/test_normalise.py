import io

import numpy as np
import PIL.Image
import PIL.TiffImagePlugin
import pytest
import tensorflow as tf

from components.image_example_gen.normalise import Normalised, normalise
from components.image_example_gen.pillow_formats import ORIENTATION
from components.image_example_gen.quarantine import Reason, UnusableError
from tests.conftest import encode, gradient
from tests.trainer.decoding import image_files
from tests.trainer.decoding.test_image_file import KINDS, suite
from trainer.decoding.image_file import decode_upright
from trainer.decoding.limits import Limits


def open_image(encoded: bytes) -> PIL.Image.Image:
    image = PIL.Image.open(io.BytesIO(encoded))
    image.load()
    return image


def limits(max_side: int, max_pixels: int = 10**8, max_value: int = 0) -> Limits:
    return Limits(max_side=max_side, max_pixels=max_pixels, max_value=max_value)


def convert_image(encoded: bytes, limits: Limits) -> bytes:
    return normalise(encoded, limits).encoded


def difference(one: PIL.Image.Image, other: PIL.Image.Image) -> float:
    """Returns the mean absolute difference of two RGB images, in [0, 255]."""
    return float(np.abs(np.asarray(one, np.float32) - np.asarray(other, np.float32)).mean())


def test_an_upright_rgb_jpeg_passes_byte_for_byte(jpeg):
    assert normalise(jpeg, limits(32)) == Normalised(jpeg)


@pytest.mark.parametrize("format", ["PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_other_formats_become_jpeg_and_look_the_same(format):
    image = open_image(convert_image(encode(gradient(), format), limits(100)))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert difference(image, gradient()) < 6


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpegs_of_other_colours_become_rgb(mode):
    image = open_image(convert_image(encode(gradient().convert(mode), "JPEG"), limits(100)))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert difference(image, gradient().convert(mode).convert("RGB")) < 6


@pytest.mark.parametrize("orientation", range(2, 9))
def test_rotated_images_become_upright(orientation):
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = orientation
    source = encode(gradient(), "JPEG", exif=exif, quality=95)
    image = open_image(convert_image(source, limits(100)))
    turned = {
        2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
        3: PIL.Image.Transpose.ROTATE_180,
        4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
        5: PIL.Image.Transpose.TRANSPOSE,
        6: PIL.Image.Transpose.ROTATE_270,
        7: PIL.Image.Transpose.TRANSVERSE,
        8: PIL.Image.Transpose.ROTATE_90,
    }[orientation]
    assert image.getexif().get(ORIENTATION, 1) == 1
    assert difference(image, gradient().transpose(turned)) < 6


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\x00\x00rubbish",
        b"Exif\x00\x00II*\x00\xff\xff\xff\xff",
        # The last two cases have a string and the invalid number 99 as the EXIF orientation.
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x02\x00\x02\x00\x00\x00x\x00\x00\x00\x00\x00\x00\x00",
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x63\x00\x00\x00\x00\x00\x00\x00",
    ],
    ids=["rubbish", "offset", "text", "99"],
)
def test_damaged_exif_is_ignored(exif):
    source = encode(gradient(), "JPEG", exif=exif, quality=95)
    assert difference(open_image(convert_image(source, limits(100))), gradient()) < 6
    assert max(open_image(convert_image(source, limits(16))).size) == 16


def test_alpha_is_laid_on_white():
    image = gradient().convert("RGBA")
    image.putalpha(0)
    assert (
        difference(open_image(convert_image(encode(image, "PNG"), limits(100))), white(image.size))
        < 1
    )


def test_a_transparent_palette_is_laid_on_white():
    image = PIL.Image.new("P", (16, 16), 0)
    assert (
        difference(
            open_image(convert_image(encode(image, "PNG", transparency=0), limits(100))),
            white(image.size),
        )
        < 1
    )


def test_sixteen_bits_are_scaled_not_clipped():
    values = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    image = open_image(convert_image(encode(PIL.Image.fromarray(values), "PNG"), limits(100)))
    expected = PIL.Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    assert difference(image, expected) < 3


def test_the_first_frame_of_an_animation_counts():
    frames = [gradient(), white((32, 24))]
    source = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert difference(open_image(convert_image(source, limits(100))), gradient()) < 6


@pytest.mark.parametrize("side", [16, 31])
def test_large_images_are_made_smaller_in_proportion(jpeg, side):
    width, height = open_image(convert_image(jpeg, limits(side))).size
    assert width == side
    assert height == pytest.approx(side * 24 / 32, abs=0.5)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"", "the file is empty"),
        (b"rubbish", "not an image of a known format"),
        (encode(gradient(200, 300), "JPEG")[:-2000], "truncated"),
        (encode(gradient(200, 300), "PNG")[:100], ""),
        (encode(gradient(), "PNG")[:40], ""),
    ],
    ids=["empty", "rubbish", "truncated jpeg", "truncated png", "png header"],
)
def test_the_error_of_an_undecodable_image(source, reason):
    with pytest.raises(UnusableError, match=reason) as error:
        convert_image(source, limits(100))
    assert str(error.value)


def test_a_truncated_file_is_decoded_or_refused(jpeg):
    """The conversion of a truncated file either succeeds or raises UnusableError."""
    for source in (jpeg, encode(gradient(), "PNG"), encode(gradient(), "WEBP")):
        for length in range(0, len(source), 7):
            try:
                convert_image(source[:length], limits(100))
            except UnusableError:
                continue


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_an_image_of_too_many_pixels_is_refused(format):
    with pytest.raises(UnusableError, match=r"32.*24 pixels; at most 100 are decoded"):
        convert_image(encode(gradient(), format), limits(100, max_pixels=100))


FILES = {path.name: path.read_bytes() for path in suite()} | KINDS
FILES |= {"rubbish": b"rubbish", "empty": b"", "cut off": encode(gradient(), "JPEG")[:-200]}
FILES |= {"canvas": image_files.partial_gif(), "bomb": image_files.png_bomb(1001)}


@pytest.fixture(scope="module")
def served():
    """Returns a function that decodes an image as exported models do.

    The function returns None if exported models refuse the image.
    """
    decode = tf.function(
        lambda encoded: decode_upright(encoded, limits(300, 10**6)).image,
        input_signature=[tf.TensorSpec([], tf.string)],
        autograph=False,
    )

    def served(encoded):
        try:
            return decode(tf.constant(encoded)).numpy().astype(np.float32)
        except tf.errors.InvalidArgumentError:
            return None

    return served


@pytest.mark.parametrize("name", FILES)
def test_a_served_image_looks_as_an_ingested_one(served, name):
    """Serving decodes an image and its ingested JPEG to nearly the same pixels (within 2 of 255).

    Serving refuses an image if and only if ingestion refuses it.
    """
    pixels = served(FILES[name])
    try:
        ingested = served(convert_image(FILES[name], limits(300, 10**6)))
    except UnusableError:
        assert pixels is None
    else:
        assert pixels is not None
        assert pixels.shape == ingested.shape
        assert np.abs(pixels - ingested).mean() <= 2


@pytest.mark.parametrize(
    "encoded",
    [
        image_files.animation("WEBP"),
        encode(gradient().quantize(16), "TIFF"),
        encode(gradient(), "ICO"),
        encode(gradient(), "PPM"),
        encode(gradient(), "JPEG2000"),
    ],
    ids=["animated WebP", "TIFF", "ICO", "PPM", "JPEG 2000"],
)
def test_formats_that_only_pillow_decodes(served, encoded):
    assert served(encoded) is None
    assert served(convert_image(encoded, limits(100))) is not None


@pytest.mark.parametrize("format", ["EPS", "PDF", "SGI"])
def test_other_formats_are_not_opened(format):
    """Unsupported formats are refused before Pillow opens them.

    For an EPS file, for example, Pillow would run Ghostscript.
    """
    with pytest.raises(UnusableError, match="not an image of a known format"):
        convert_image(encode(gradient(), format), limits(100))


def tiff(values: np.ndarray, **tags: object) -> bytes:
    """Returns a TIFF file with one channel; `t340=x` sets the tag with number 340."""
    info = PIL.TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        info[int(tag.removeprefix("t"))] = value
    return encode(PIL.Image.fromarray(values), "TIFF", tiffinfo=info)


def shade(encoded: bytes, limits: Limits) -> int:
    """Normalises an image of a single shade; returns its grey value, 0 to 255."""
    values = np.asarray(open_image(convert_image(encoded, limits)))
    assert np.ptp(values) <= 1
    return int(values[0, 0, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int16])
def test_an_image_without_a_known_white_is_refused(dtype):
    with pytest.raises(
        UnusableError, match=r"does not say which .* values are black and white"
    ) as error:
        convert_image(tiff(np.zeros([9, 9], dtype)), limits(100))
    assert error.value.reason == Reason.RANGE


@pytest.mark.parametrize(
    ("values", "tags", "max_value", "expected"),
    [
        (np.full([9, 9], 0.5, np.float32), {"t340": 0.0, "t341": 1.0}, 0, 128),
        (np.full([9, 9], 2.0, np.float32), {}, 1, 255),
        (np.full([9, 9], -2.0, np.float32), {}, 1, 0),
        (np.full([9, 9], 500, np.int32), {}, 1000, 128),
        (np.full([9, 9], 65535, np.uint16), {}, 0, 255),
        (np.full([9, 9], 4095, np.uint16), {}, 0, 15),
        (np.full([9, 9], 4095, np.uint16), {}, 4095, 255),
    ],
    ids=["stated", "above", "below", "counts", "16 bits", "assumed", "12 bits"],
)
def test_values_are_scaled_by_the_stated_range(values, tags, max_value, expected):
    source = tiff(values, **tags)
    assert shade(source, limits(100, max_value=max_value)) == pytest.approx(expected, abs=1)


def test_infinite_values_are_refused():
    values = np.full([9, 9], np.nan, np.float32)
    with pytest.raises(UnusableError, match="infinite or not a number") as error:
        convert_image(tiff(values), limits(100, max_value=1))
    assert error.value.reason == Reason.RANGE


@pytest.mark.parametrize("channels", [(), (3,), (4,)], ids=["grey", "RGB", "RGBA"])
@pytest.mark.parametrize(
    ("significant", "max_value", "expected"),
    [(None, 0, 15), (None, 4095, 255), (12, 0, 255), (16, 0, 15), (8, 0, 15)],
)
def test_white_of_16_bit_pngs(served, channels, significant, max_value, expected):
    """Ingestion and serving use the same value for white in a 16-bit PNG.

    White is `max_value` if that is not 0. Otherwise, white is 2**n - 1 in a PNG whose chunk sBIT
    states n bits and whose values have at most n bits, and 65535 in any other 16-bit PNG.
    """
    values = np.full([9, 9, *channels], 4095, np.uint16)
    if channels == (4,):
        values[..., 3] = 65535
    encoded = image_files.png_of_numbers(values)
    if significant:
        bits = bytes([significant] * max(1, *channels, 0))
        encoded = encoded[:33] + image_files.png_chunk(b"sBIT", bits) + encoded[33:]
    scale = limits(300, 10**6, max_value)
    assert shade(encoded, scale) == pytest.approx(expected, abs=1)
    pixels = decode_upright(tf.constant(encoded), scale).image.numpy()
    np.testing.assert_allclose(pixels, expected, atol=1)


@pytest.mark.parametrize("peak", [4095, 4096])
def test_the_peak_of_16_bits_is_known(peak):
    """`normalise` returns the largest value of a 16-bit image.

    If the largest value is below 4,096, the image probably has only 12 bits.
    """
    values = np.zeros([9, 9], np.uint16)
    values[3, 3] = peak
    assert normalise(encode(PIL.Image.fromarray(values), "PNG"), limits(100)).peak == peak
    assert normalise(tiff(values), limits(100)).peak == peak
    assert normalise(tiff(values), limits(100, max_value=4095)).peak is None
    colors = image_files.png_of_numbers(np.repeat(values[..., np.newaxis], 3, -1))
    assert normalise(colors, limits(100)).peak == peak
    assert normalise(encode(gradient(), "PNG"), limits(100)).peak is None


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Reason.HEIC),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", Reason.HEIC),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", Reason.FORMAT),
        (b"%!PS-Adobe-3.0 EPSF-3.0", Reason.FORMAT),
        (b"", Reason.EMPTY),
    ],
)
def test_reasons(start, reason):
    with pytest.raises(UnusableError) as error:
        convert_image(start + bytes(100) * bool(start), limits(100))
    assert error.value.reason == reason


def test_a_file_of_too_many_bytes_is_not_decoded(jpeg):
    with pytest.raises(UnusableError, match="bytes; expected at most") as error:
        convert_image(jpeg + bytes(2**20), limits(100, max_pixels=100))
    assert error.value.reason == Reason.TOO_LARGE


def test_a_jpeg_of_many_scans_is_not_decoded():
    """Decoding a small progressive JPEG with thousands of scans would take minutes."""
    encoded = encode(gradient(), "JPEG", progressive=True)
    scan = encoded[encoded.rindex(b"\xff\xda") : -2]
    with pytest.raises(UnusableError, match="a JPEG with more than 100 scans") as error:
        convert_image(encoded[:-2] + scan * 100 + encoded[-2:], limits(100))
    assert error.value.reason == Reason.TOO_LARGE


def test_real_images_pass_and_tensorflow_decodes_them(real_images):
    re_encoded = []
    for path in real_images:
        source = path.read_bytes()
        made = convert_image(source, limits(1024))
        if made is not source:
            re_encoded.append(path.name)
        shape = tf.io.decode_image(made, channels=3, expand_animations=False).shape
        assert max(shape) <= 1024
    # In the published dataset, Abyssinian_34.jpg and Abyssinian_5.jpg are a GIF and a PNG with
    # alpha.
    assert {"Abyssinian_34.jpg", "Abyssinian_5.jpg"} <= set(re_encoded)


def test_re_encoding_hardly_grows_real_images(real_images):
    before = sum(path.stat().st_size for path in real_images)
    after = sum(len(convert_image(path.read_bytes(), limits(1024))) for path in real_images)
    assert after <= 1.1 * before


def white(size):
    return PIL.Image.new("RGB", size, "white")
