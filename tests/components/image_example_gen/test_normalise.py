import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from components.image_example_gen.normalise import ORIENTATION, UndecodableError, normalise
from tests.conftest import encode, gradient
from tests.trainer.decoding import image_files
from tests.trainer.decoding.test_image_file import KINDS, suite
from trainer.decoding.image_file import decode_upright
from trainer.decoding.limits import Limits


def decoded(encoded: bytes) -> PIL.Image.Image:
    image = PIL.Image.open(io.BytesIO(encoded))
    image.load()
    return image


def limits(max_side: int, max_pixels: int = 10**8) -> Limits:
    return Limits(max_side=max_side, max_pixels=max_pixels)


def difference(one: PIL.Image.Image, other: PIL.Image.Image) -> float:
    """Returns the mean absolute difference of two RGB images, in values of 0 to 255."""
    return float(np.abs(np.asarray(one, np.float32) - np.asarray(other, np.float32)).mean())


def test_an_upright_rgb_jpeg_passes_byte_for_byte(jpeg):
    assert normalise(jpeg, limits(32)) is jpeg


@pytest.mark.parametrize("format", ["PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_other_formats_become_jpeg_and_look_the_same(format):
    image = decoded(normalise(encode(gradient(), format), limits(100)))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert difference(image, gradient()) < 6


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpegs_of_other_colours_become_rgb(mode):
    image = decoded(normalise(encode(gradient().convert(mode), "JPEG"), limits(100)))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert difference(image, gradient().convert(mode).convert("RGB")) < 6


@pytest.mark.parametrize("orientation", range(2, 9))
def test_rotated_photographs_become_upright(orientation):
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = orientation
    source = encode(gradient(), "JPEG", exif=exif, quality=95)
    image = decoded(normalise(source, limits(100)))
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
        # an orientation that is a text, and one that does not exist
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x02\x00\x02\x00\x00\x00x\x00\x00\x00\x00\x00\x00\x00",
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x63\x00\x00\x00\x00\x00\x00\x00",
    ],
    ids=["rubbish", "offset", "text", "99"],
)
def test_a_image_with_damaged_exif_is_as_good_as_one_without(exif):
    source = encode(gradient(), "JPEG", exif=exif, quality=95)
    assert difference(decoded(normalise(source, limits(100))), gradient()) < 6
    assert max(decoded(normalise(source, limits(16))).size) == 16


def test_alpha_is_laid_on_white():
    image = gradient().convert("RGBA")
    image.putalpha(0)
    assert difference(decoded(normalise(encode(image, "PNG"), limits(100))), white(image.size)) < 1


def test_a_transparent_palette_is_laid_on_white():
    image = PIL.Image.new("P", (16, 16), 0)
    assert (
        difference(
            decoded(normalise(encode(image, "PNG", transparency=0), limits(100))), white(image.size)
        )
        < 1
    )


def test_sixteen_bits_are_scaled_not_clipped():
    values = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    image = decoded(normalise(encode(PIL.Image.fromarray(values), "PNG"), limits(100)))
    expected = PIL.Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    assert difference(image, expected) < 3


def test_the_first_frame_of_an_animation_counts():
    frames = [gradient(), white((32, 24))]
    source = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert difference(decoded(normalise(source, limits(100))), gradient()) < 6


@pytest.mark.parametrize("side", [16, 31])
def test_large_images_are_made_smaller_in_proportion(jpeg, side):
    width, height = decoded(normalise(jpeg, limits(side))).size
    assert width == side
    assert height == pytest.approx(side * 24 / 32, abs=0.5)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"", "not an image of a known format"),
        (b"rubbish", "not an image of a known format"),
        (encode(gradient(200, 300), "JPEG")[:-2000], "truncated"),
        (encode(gradient(200, 300), "PNG")[:100], ""),
        (encode(gradient(), "PNG")[:40], ""),
    ],
    ids=["empty", "rubbish", "truncated jpeg", "truncated png", "png header"],
)
def test_the_error_of_an_undecodable_image(source, reason):
    with pytest.raises(UndecodableError, match=reason) as error:
        normalise(source, limits(100))
    assert str(error.value)


def test_every_cut_of_a_file_is_decoded_or_refused(jpeg):
    """A file that is truncated anywhere never leads to another exception."""
    for source in (jpeg, encode(gradient(), "PNG"), encode(gradient(), "WEBP")):
        for length in range(0, len(source), 7):
            try:
                normalise(source[:length], limits(100))
            except UndecodableError:
                continue


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_an_image_of_too_many_pixels_is_refused(format):
    with pytest.raises(UndecodableError, match=r"32.*24 pixels; at most 100 are decoded"):
        normalise(encode(gradient(), format), limits(100, max_pixels=100))


FILES = {path.name: path.read_bytes() for path in suite()} | KINDS
FILES |= {"rubbish": b"rubbish", "empty": b"", "cut off": encode(gradient(), "JPEG")[:-200]}
FILES |= {"canvas": image_files.gif_of_part(), "bomb": image_files.png_bomb(1001)}


@pytest.fixture(scope="module")
def served():
    """Encoded image -> the pixels that the exported model sees; None where it refuses."""
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
    """Within 2 of 255, the re-encoding included; and what one refuses the other refuses."""
    pixels = served(FILES[name])
    try:
        ingested = served(normalise(FILES[name], limits(300, 10**6)))
    except UndecodableError:
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
    assert served(normalise(encoded, limits(100))) is not None


@pytest.mark.parametrize("format", ["EPS", "PDF", "SGI"])
def test_other_formats_are_not_opened(format):
    """Pillow would run Ghostscript for an EPS."""
    with pytest.raises(UndecodableError, match="not an image of a known format"):
        normalise(encode(gradient(), format), limits(100))


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_an_image_without_a_known_white_is_refused(dtype):
    source = encode(PIL.Image.fromarray(np.zeros([9, 9], dtype)), "TIFF")
    with pytest.raises(UndecodableError, match="whose black and white are not known"):
        normalise(source, limits(100))


def test_photographs_pass_and_tensorflow_decodes_them(photographs):
    re_encoded = []
    for path in photographs:
        source = path.read_bytes()
        made = normalise(source, limits(1024))
        if made is not source:
            re_encoded.append(path.name)
        shape = tf.io.decode_image(made, channels=3, expand_animations=False).shape
        assert max(shape) <= 1024
    # In the published dataset one of these is really a GIF and one an RGBA PNG.
    assert {"Abyssinian_34.jpg", "Abyssinian_5.jpg"} <= set(re_encoded)


def test_re_encoding_hardly_grows_the_photographs(photographs):
    before = sum(path.stat().st_size for path in photographs)
    after = sum(len(normalise(path.read_bytes(), limits(1024))) for path in photographs)
    assert after <= 1.1 * before


def white(size):
    return PIL.Image.new("RGB", size, "white")
