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

# The exported model decodes only some kinds of these formats; Pillow decodes the other kinds.
_PARTLY_BY_PILLOW = ("BMP", "WebP")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_DEPTH = 24  # position of the byte of a PNG that contains the number of bits per channel
_HEADERS = 4096  # number of bytes at the start of a PNG that are searched for the chunk sBIT


class Normalised(NamedTuple):
    """An image as it is written into an example.

    Attributes:
      encoded: an upright RGB JPEG.
      peak: the greatest value of an image with 16 bits per channel in which 65535 is taken as
        white; None for other images.
    """

    encoded: bytes
    peak: int | None = None


def normalise(encoded: bytes, limits: Limits) -> Normalised:
    """Decodes an image once; returns it byte for byte if it is an upright RGB JPEG already.

    Anything else (PNG, GIF, BMP, WebP, TIFF, grey, CMYK, alpha, EXIF-rotated, longer side above
    `max_side` pixels) is re-encoded as such a JPEG, at quality 98 without chroma subsampling. Of an
    animation, only the first frame is used; transparent images get a white background. JPEG, PNG,
    GIF, BMP and WebP are decoded by the same ops as in the exported model, so that ingestion and
    serving see the same pixels, and refuse the same files.

    Raises:
      UnusableError: the image cannot be decoded.
    """
    _check(encoded, limits)
    found = find_format(encoded)
    if found is None:
        return _by_pillow(encoded, limits)
    try:
        # TensorFlow's op also accepts bytes, but loses time: it first tries a fast path that
        # accepts only tensors.
        content = tf.constant(encoded)
        if is_plain_jpeg(encoded, limits):
            # Decoding at an eighth of the size checks the whole file: the decoder reads the same
            # bits as at full size, in two thirds of the time.
            tf.io.decode_jpeg(content, channels=3, ratio=8)
            return Normalised(encoded)
        if found.name == "JPEG" and has_many_scans(encoded):
            raise UnusableError(Reason.TOO_LARGE, "a JPEG of more than 100 scans")
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
    """Refuses empty files, files of too many bytes, and HEIC images, without decoding."""
    if not encoded:
        raise UnusableError(Reason.EMPTY, "the file is empty")
    if len(encoded) > limits.max_bytes:
        raise UnusableError(
            Reason.TOO_LARGE,
            f"{len(encoded)} bytes; at most {limits.max_bytes} are decoded",
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
    """Returns the greatest value of a PNG with 16 bits per channel and no chunk sBIT, else None."""
    if png[_DEPTH] != 16 or b"sBIT" in png[:_HEADERS]:
        return None
    image = tf.io.decode_png(png, dtype=tf.uint16).numpy()
    # If there are two or four channels, the last one is alpha, and does not count.
    return int(image[..., : (image.shape[-1] - 1) // 2 * 2 + 1].max())


def _explain(message: str, format: str) -> UnusableError:
    """Returns the error for a file that TensorFlow cannot decode, with a reason in one line.

    A failed assertion of `trainer.decoding` has such a reason. Other messages of TensorFlow are
    long descriptions of the graph, and are left out.
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
    except (OSError, ValueError) as error:  # a side of a JPEG has at most 65,500 pixels
        raise UnusableError(Reason.TOO_LARGE, " ".join(str(error).split())) from error
    return file.getvalue()
