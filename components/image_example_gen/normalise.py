"""Converts encoded images to upright RGB JPEGs of limited size."""

import io
import struct
from typing import Any

ORIENTATION = 0x0112  # the EXIF tag; 1 is upright
QUALITY = 95


class UndecodableError(ValueError):
    """The bytes are not an image that can be decoded; the message gives the reason."""


def normalise(encoded: bytes, max_side: int) -> bytes:
    """Decodes an image once; returns it byte for byte if it is an upright RGB JPEG already.

    Anything else (PNG, GIF, BMP, WebP, grey, CMYK, alpha, EXIF-rotated, longer side above
    `max_side` pixels) is re-encoded as an upright RGB JPEG of quality 95. Of an animation the first
    frame counts; alpha is laid on white.

    Raises:
      UndecodableError: it cannot be decoded.
    """
    import PIL.Image

    try:
        with PIL.Image.open(io.BytesIO(encoded)) as image:
            image.load()
            orientation = _orientation(image)
            if (
                image.format == "JPEG"
                and image.mode == "RGB"
                and orientation == 1
                and max(image.size) <= max_side
            ):
                return encoded
            return _encode(image, max_side, is_upright=orientation == 1)
    except PIL.UnidentifiedImageError as error:
        raise UndecodableError("not an image of a known format") from error
    except (
        ArithmeticError,
        LookupError,
        OSError,  # truncated
        SyntaxError,  # a broken PNG
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


def _encode(image: Any, max_side: int, *, is_upright: bool) -> bytes:
    import PIL.ImageOps

    if not is_upright:
        image = PIL.ImageOps.exif_transpose(image)
    image = _rgb(image)
    if max(image.size) > max_side:
        image.thumbnail((max_side, max_side), PIL.Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _rgb(image: Any) -> Any:
    import numpy as np
    import PIL.Image

    if image.mode.startswith("I"):  # 16 bits a pixel; Pillow's own conversion would clip at 255
        return PIL.Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = PIL.Image.new("RGBA", image.size, "white")
        return PIL.Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")
