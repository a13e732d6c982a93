"""Converts encoded images to upright RGB JPEGs of limited size."""

import functools
import io
import re
import struct
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainer.decoding.image_file import Decoded, decode_upright, find_format
from trainer.decoding.limits import Limits

ORIENTATION = 0x0112  # the EXIF tag; 1 is upright
QUALITY = 98

# What Pillow decodes where the exported model cannot. It is offered no other format: it would run
# Ghostscript for an EPS, whatever the file is called.
PILLOW_FORMATS = ("AVIF", "BMP", "ICO", "JPEG2000", "PPM", "TIFF", "WEBP")
# Of these two, only some kinds are decoded by the exported model.
_PARTLY_BY_PILLOW = ("BMP", "WebP")


class UndecodableError(ValueError):
    """The bytes are not an image that can be decoded; the message gives the reason."""


def normalise(encoded: bytes, limits: Limits) -> bytes:
    """Decodes an image once; returns it byte for byte if it is an upright RGB JPEG already.

    Anything else (PNG, GIF, BMP, WebP, TIFF, grey, CMYK, alpha, EXIF-rotated, longer side above
    `max_side` pixels) is re-encoded as one, at quality 98 without chroma subsampling. Of an
    animation the first frame counts; alpha is laid on white. JPEG, PNG, GIF, BMP and WebP are
    decoded by the same ops as in the exported model, so that both see the same pixels, and refuse
    the same files.

    Raises:
      UndecodableError: it cannot be decoded.
    """
    found = find_format(encoded)
    if found is None:
        return _normalise_by_pillow(encoded, limits)
    try:
        decoded = _decoder(limits)(tf.constant(encoded))
    except tf.errors.OpError as error:
        if found.name in _PARTLY_BY_PILLOW:
            return _normalise_by_pillow(encoded, limits)
        raise UndecodableError(_reason(error.message, found.name)) from error
    return encoded if decoded.is_as_stored else _encode(decoded.image.numpy())


@functools.cache
def _decoder(limits: Limits) -> Callable[[tf.Tensor], Decoded]:
    decode = tf.function(lambda encoded: decode_upright(encoded, limits), autograph=False)
    return decode.get_concrete_function(tf.TensorSpec([], tf.string))


def _reason(message: str, format: str) -> str:
    """A failed assertion's own words; the other messages are pages about the graph."""
    failed = re.search(r"assertion failed: \[(.*)\]", message)
    return failed[1].replace("] [", " ") if failed else f"a damaged or truncated {format}"


def _encode(pixels: Any) -> bytes:
    import PIL.Image

    file = io.BytesIO()
    try:
        PIL.Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY, subsampling=0)
    except (OSError, ValueError) as error:  # JPEGs have at most 65,500 pixels a side
        raise UndecodableError(" ".join(str(error).split())) from error
    return file.getvalue()


def _normalise_by_pillow(encoded: bytes, limits: Limits) -> bytes:
    import numpy as np
    import PIL.Image

    try:
        with PIL.Image.open(io.BytesIO(encoded), formats=PILLOW_FORMATS) as image:
            if image.width * image.height > limits.max_pixels:
                raise UndecodableError(
                    f"of {image.width} x {image.height} pixels; at most {limits.max_pixels} are "
                    "decoded"
                )
            image.load()
            return _encode(np.asarray(_upright_rgb(image, limits.max_side)))
    except PIL.UnidentifiedImageError as error:
        raise UndecodableError("not an image of a known format") from error
    except (
        ArithmeticError,
        LookupError,
        OSError,  # truncated
        SyntaxError,
        TypeError,  # a broken TIFF
        ValueError,
        struct.error,
        PIL.Image.DecompressionBombError,
    ) as error:
        raise UndecodableError(" ".join(str(error).split())) from error


def _orientation(image: Any) -> int:
    """Returns the EXIF orientation, 1 (upright) to 8; 1 if EXIF is missing or damaged."""
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow's EXIF reader raises of everything; the image is as good without
        return 1
    return orientation if orientation in range(1, 9) else 1


def _upright_rgb(image: Any, max_side: int) -> Any:
    import PIL.ImageOps

    if _orientation(image) != 1:
        image = PIL.ImageOps.exif_transpose(image)
    image = _rgb(image)
    if max(image.size) > max_side:
        image.thumbnail((max_side, max_side), PIL.Image.Resampling.LANCZOS)
    return image


def _rgb(image: Any) -> Any:
    import numpy as np
    import PIL.Image

    if image.mode.startswith("I;16"):  # Pillow's own conversion would clip at 255
        return PIL.Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise UndecodableError(
            "an image of 32-bit, signed or floating-point values, whose black and white are not "
            "known; expected 8 bits, or 16 unsigned bits, a channel"
        )
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = PIL.Image.new("RGBA", image.size, "white")
        return PIL.Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")
