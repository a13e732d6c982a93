"""Converts encoded images to upright RGB JPEGs of limited size."""

import io
import re
from typing import Any, NamedTuple

import tensorflow as tf

from components.image_example_gen.pillow_formats import decode_by_pillow
from components.image_example_gen.plain_jpeg import has_many_scans, is_plain_jpeg
from components.image_example_gen.quarantine import Reason, UnusableError
from trainer.decoding.image_file import decoder_of, find_format
from trainer.decoding.limits import Limits

QUALITY = 98

# TensorFlow's ops can decode only some BMP and WebP images, so ImageExampleGen decodes the others
# with Pillow. The exported model rejects images that only Pillow can decode, because the exported
# model consists of TensorFlow's ops.
_PARTLY_BY_PILLOW = ("BMP", "WebP")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_DEPTH = 24  # the byte at this position of a PNG is the number of bits per channel
_HEADERS = 4096  # bytes at the start of a PNG in which to search for the chunk sBIT


class Normalised(NamedTuple):
    """An image in the format that ImageExampleGen stores in an example.

    Attributes:
      encoded: an upright RGB JPEG.
      peak: the largest pixel value of an image with 16 bits per channel, if the value 65535 was
        assumed to be white; None for other images.
    """

    encoded: bytes
    peak: int | None = None


def normalise(encoded: bytes, limits: Limits) -> Normalised:
    """Converts an encoded image to an upright RGB JPEG within `limits`, if it is not one yet.

    An upright RGB JPEG within `limits` is decoded only as a check, and returned unchanged. Any
    other image (PNG, GIF, BMP, WebP, TIFF, grey, CMYK, with alpha, rotated by EXIF, or with a
    longer side above `max_side` pixels) is converted to a JPEG of quality 98 without chroma
    subsampling. Of an animation, the function converts only the first frame. Transparent images get
    a white background.

    The function decodes JPEG, PNG, GIF, and all BMP and WebP images that TensorFlow can decode,
    with the same ops as the exported model, so that an image has the same pixels in training and in
    serving.

    Raises:
      UnusableError: the image cannot be decoded.
    """
    _check(encoded, limits)
    found = find_format(encoded)
    if found is None:
        return _by_pillow(encoded, limits)
    try:
        # Convert the bytes to a tensor, because a TensorFlow op that gets Python bytes wastes time
        # on a fast path that accepts only tensors.
        content = tf.constant(encoded)
        if is_plain_jpeg(encoded, limits):
            # Decode the JPEG only to find damage: the example will contain the bytes of the file,
            # not the decoded pixels. Decoding at an eighth of the size also reads the whole file,
            # but takes a third less time than decoding at full size.
            tf.io.decode_jpeg(content, channels=3, ratio=8)
            return Normalised(encoded)
        if found.name == "JPEG" and has_many_scans(encoded):
            raise UnusableError(Reason.TOO_LARGE, "a JPEG with more than 100 scans")
        decoded = decoder_of(found, limits)(content)
    except tf.errors.OpError as error:
        if found.name in _PARTLY_BY_PILLOW:
            return _by_pillow(encoded, limits)
        raise _explain(error.message, found.name) from error
    if decoded.is_as_stored:
        return Normalised(encoded)
    peak = _peak(encoded) if found.name == "PNG" and not limits.max_value else None
    return Normalised(_encode(decoded.image.numpy()), peak)


def _check(encoded: bytes, limits: Limits) -> None:
    """Raises an error if a file is empty, is too large, or is a HEIC image.

    For a HEIC image, the error advises the user to convert it, because this module cannot decode
    HEIC.
    """
    if not encoded:
        raise UnusableError(Reason.EMPTY, "the file is empty")
    if len(encoded) > limits.max_bytes:
        raise UnusableError(
            Reason.TOO_LARGE,
            f"{len(encoded)} bytes; expected at most {limits.max_bytes} bytes",
        )
    brands = (encoded[8:12], *(encoded[i : i + 4] for i in range(16, 64, 4)))
    if encoded[4:8] == b"ftyp" and brands[0] in _HEIC_BRANDS and b"avif" not in brands:
        raise UnusableError(
            Reason.HEIC,
            "a HEIC image, as iPhones write them; convert it to JPEG, for example with "
            "heif-convert, or set the camera to Most Compatible",
        )


def _by_pillow(encoded: bytes, limits: Limits) -> Normalised:
    pixels = decode_by_pillow(encoded, limits)
    return Normalised(_encode(pixels.rgb), pixels.peak)


def _peak(png: bytes) -> int | None:
    """Returns the largest pixel value of a PNG with 16 bits per channel; None for other PNGs.

    For a PNG with the chunk sBIT, the function also returns None, because sBIT states how many of
    the 16 bits are used, so that the value of white is known.
    """
    if png[_DEPTH] != 16 or b"sBIT" in png[:_HEADERS]:
        return None
    image = tf.io.decode_png(png, dtype=tf.uint16).numpy()
    # If the PNG has two or four channels, leave out the last channel, which is the alpha channel.
    return int(image[..., : (image.shape[-1] - 1) // 2 * 2 + 1].max())


def _explain(message: str, format: str) -> UnusableError:
    """Returns an error with a one-line reason for a file that TensorFlow cannot decode.

    If an assertion in `trainer.decoding` failed, the reason is the message of the assertion. If
    TensorFlow failed in any other way, its message is a long description of the graph, so the error
    says only that the file is damaged or truncated.
    """
    failed = re.search(r"assertion failed: \[(.*)\]", message)
    if failed is None:
        return UnusableError(Reason.DAMAGED, f"a damaged or truncated {format}")
    detail = failed[1].replace("] [", " ")
    is_large = "pixels; at most" in detail
    return UnusableError(Reason.TOO_LARGE if is_large else Reason.DAMAGED, detail)


def _encode(pixels: Any) -> bytes:
    import PIL.Image

    file = io.BytesIO()
    try:
        PIL.Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY, subsampling=0)
    except (OSError, ValueError) as error:  # libjpeg cannot write a side of more than 65,500 pixels
        raise UnusableError(Reason.TOO_LARGE, " ".join(str(error).split())) from error
    return file.getvalue()
