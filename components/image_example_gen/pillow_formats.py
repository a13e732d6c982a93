"""Decodes, by Pillow, the formats that the exported model does not decode.

Pillow may open only these formats: otherwise it would run Ghostscript for an EPS file, whatever its
suffix.
"""

import io
import struct
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import PIL.ImageOps

from components.image_example_gen.quarantine import Reason, UnusableError
from trainer.decoding.limits import Limits

PILLOW_FORMATS = ("AVIF", "BMP", "ICO", "JPEG2000", "PPM", "TIFF", "WEBP")
ORIENTATION = 0x0112  # the EXIF tag; 1 is upright
_WHITE_OF_16_BITS = 65535
# Tags of TIFF 6.0, sections 3, 8, 19 and 20: BitsPerSample, PhotometricInterpretation (0: white is
# zero), SampleFormat (1: unsigned), and two pairs of least and greatest value.
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_RANGES = ((340, 341), (280, 281))
_UNSIGNED = 1


class Pixels(NamedTuple):
    """A decoded image.

    Attributes:
      rgb: uint8 [h, w, 3]: upright, on white, its longer side at most `Limits.max_side`.
      peak: the greatest value of an image with 16 bits per channel in which 65535 is taken as
        white; None for other images.
    """

    rgb: np.ndarray
    peak: int | None


def decode_by_pillow(encoded: bytes, limits: Limits) -> Pixels:
    """Decodes an image of one of `PILLOW_FORMATS`.

    Raises:
      UnusableError: the image cannot be decoded, or it is unknown which pixel value is white.
    """
    try:
        with PIL.Image.open(io.BytesIO(encoded), formats=PILLOW_FORMATS) as image:
            if image.width * image.height > limits.max_pixels:
                raise UnusableError(
                    Reason.TOO_LARGE,
                    f"{image.width} x {image.height} pixels; at most {limits.max_pixels} are "
                    "decoded",
                )
            image.load()
            rgb, peak = _to_rgb(image, limits.max_value)
            return Pixels(np.asarray(_turn_and_shrink(rgb, image, limits.max_side)), peak)
    except PIL.UnidentifiedImageError as error:
        raise UnusableError(Reason.FORMAT, "not an image of a known format") from error
    except PIL.Image.DecompressionBombError as error:
        raise UnusableError(Reason.TOO_LARGE, " ".join(str(error).split())) from error
    except UnusableError:
        raise
    except (
        ArithmeticError,
        LookupError,
        MemoryError,  # Pillow raises it for headers that state impossible sizes
        OSError,  # truncated
        SyntaxError,
        TypeError,  # a damaged TIFF
        ValueError,
        struct.error,
    ) as error:
        raise UnusableError(Reason.DAMAGED, " ".join(str(error).split()) or "damaged") from error


def _turn_and_shrink(rgb: PIL.Image.Image, image: PIL.Image.Image, max_side: int) -> Any:
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged EXIF data make Pillow raise all sorts of exceptions
        orientation = 1
    if isinstance(orientation, int) and 2 <= orientation <= 8:
        rgb.info.clear()  # keep only the orientation: other tags may be damaged
        rgb.getexif()[ORIENTATION] = orientation
        PIL.ImageOps.exif_transpose(rgb, in_place=True)
    if max(rgb.size) > max_side:
        rgb.thumbnail((max_side, max_side), PIL.Image.Resampling.LANCZOS)
    return rgb


def _to_rgb(image: PIL.Image.Image, max_value: int) -> tuple[PIL.Image.Image, int | None]:
    """Returns the image in Pillow's mode RGB, and the value of `Pixels.peak`."""
    bits = _tag(image, _BITS) or (8,)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _scale(image, bits[0], max_value)
    peak = None
    if max(bits) > 8:  # an image of several channels, of which Pillow kept the 8 higher bits
        if max_value:
            raise UnusableError(
                Reason.RANGE,
                f"{len(bits)} channels of {max(bits)} bits, for which {image.format} files do not "
                "support ingest.max_value; convert it to PNG",
            )
        peak = int(np.asarray(image).max()) * 256 + 255
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = PIL.Image.new("RGBA", image.size, "white")
        return PIL.Image.alpha_composite(white, image).convert("RGB"), peak
    return image.convert("RGB"), peak


def _scale(image: PIL.Image.Image, bits: int, max_value: int) -> tuple[PIL.Image.Image, int | None]:
    """Scales the values of a grey image of more than 8 bits to 0 (black) to 255 (white)."""
    values = np.asarray(image)
    if image.mode == "I" and _tag(image, _SAMPLE_FORMAT) == (_UNSIGNED,):
        values = values.view(np.uint32)  # Pillow has no unsigned mode of 32 bits
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise UnusableError(Reason.RANGE, "some of its values are infinite or not a number")
    low, high = (0.0, float(max_value)) if max_value else _stated_range(image, bits)
    scaled = np.clip((values - low) / (high - low), 0, 1) * 255
    if high == _WHITE_OF_16_BITS and not low:  # take the 8 higher bits, as for PNGs
        scaled = np.floor(values / 256)
    if _tag(image, _PHOTOMETRIC) == (0,):
        scaled = 255 - scaled
    rgb = PIL.Image.fromarray(np.rint(scaled).astype(np.uint8)).convert("RGB")
    is_assumed = not max_value and image.mode.startswith("I;16") and high == _WHITE_OF_16_BITS
    return rgb, int(values.max()) if is_assumed else None


def _stated_range(image: PIL.Image.Image, bits: int) -> tuple[float, float]:
    """Returns the values of black and of white that the file states, or that its format implies."""
    for low, high in _RANGES:
        stated = (_tag(image, low) or (0,))[0], (_tag(image, high) or (0,))[0]
        if stated[0] < stated[1]:
            return float(stated[0]), float(stated[1])
    if image.mode.startswith("I;16"):
        return 0.0, float(2 ** min(bits, 16) - 1) if bits > 8 else float(_WHITE_OF_16_BITS)
    if image.format == "PPM" and image.mode == "I":
        return 0.0, float(_WHITE_OF_16_BITS)  # Pillow has scaled the values by the header's maximum
    kind = "floating-point" if image.mode == "F" else "signed or 32-bit"
    raise UnusableError(
        Reason.RANGE,
        f"an image of {kind} values, whose black and white are not stated; expected 8 bits, or 16 "
        "unsigned bits, a channel: convert it, or give the value of white with ingest.max_value",
    )


def _tag(image: PIL.Image.Image, tag: int) -> tuple[Any, ...]:
    """Returns the values of a tag of a TIFF; an empty tuple if the image does not have the tag."""
    value = getattr(image, "tag_v2", {}).get(tag, ())
    return value if isinstance(value, tuple) else (value,)
