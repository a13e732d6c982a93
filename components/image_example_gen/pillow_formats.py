"""Decodes, with Pillow, the image formats that the exported model cannot decode.

Pillow recognises the format of a file by its content, not by its name. This module allows Pillow to
open only the formats in `PILLOW_FORMATS`. If Pillow could open every format, an EPS file would make
Pillow run Ghostscript, even if the file is named .jpg.
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
ORIENTATION = 0x0112  # the EXIF tag of the orientation; its value for an upright image is 1
_WHITE_OF_16_BITS = 65535
# TIFF tags (TIFF 6.0, sections 3, 8, 19 and 20): BitsPerSample, PhotometricInterpretation (0 means
# that the value 0 is white) and SampleFormat (1 means unsigned). `_RANGES` contains pairs of tags
# for the smallest and the largest value: SMinSampleValue and SMaxSampleValue, then MinSampleValue
# and MaxSampleValue.
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_RANGES = ((340, 341), (280, 281))
_UNSIGNED = 1


class Pixels(NamedTuple):
    """A decoded image.

    Attributes:
      rgb: the pixels, uint8 [h, w, 3]. The image is upright, has a white background where it was
        transparent, and its longer side has at most `Limits.max_side` pixels.
      peak: the largest pixel value of an image with 16 bits per channel, if the value 65535 was
        assumed to be white; None for other images.
    """

    rgb: np.ndarray
    peak: int | None


def decode_by_pillow(encoded: bytes, limits: Limits) -> Pixels:
    """Decodes an image in one of the formats `PILLOW_FORMATS`.

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
        MemoryError,  # raised if the header states an impossible size
        OSError,  # truncated
        SyntaxError,
        TypeError,  # raised for some damaged TIFFs
        ValueError,
        struct.error,
    ) as error:
        raise UnusableError(Reason.DAMAGED, " ".join(str(error).split()) or "damaged") from error


def _turn_and_shrink(rgb: PIL.Image.Image, image: PIL.Image.Image, max_side: int) -> Any:
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged EXIF data can cause almost any exception in Pillow
        orientation = 1
    if isinstance(orientation, int) and 2 <= orientation <= 8:
        rgb.info.clear()  # drop all EXIF tags except the orientation, because they may be damaged
        rgb.getexif()[ORIENTATION] = orientation
        PIL.ImageOps.exif_transpose(rgb, in_place=True)
    if max(rgb.size) > max_side:
        rgb.thumbnail((max_side, max_side), PIL.Image.Resampling.LANCZOS)
    return rgb


def _to_rgb(image: PIL.Image.Image, max_value: int) -> tuple[PIL.Image.Image, int | None]:
    """Returns the image in Pillow's mode RGB, and its largest pixel value (see `Pixels.peak`)."""
    bits = _tag(image, _BITS) or (8,)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _scale(image, bits[0], max_value)
    peak = None
    if max(bits) > 8:  # in an image with several channels, Pillow keeps only the 8 high bits
        if max_value:
            raise UnusableError(
                Reason.RANGE,
                f"{len(bits)} channels of {max(bits)} bits, to which ingest.max_value cannot be "
                f"applied in a {image.format} file; convert it to PNG",
            )
        peak = int(np.asarray(image).max()) * 256 + 255
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = PIL.Image.new("RGBA", image.size, "white")
        return PIL.Image.alpha_composite(white, image).convert("RGB"), peak
    return image.convert("RGB"), peak


def _scale(image: PIL.Image.Image, bits: int, max_value: int) -> tuple[PIL.Image.Image, int | None]:
    """Scales the values of a grey image with more than 8 bits, so that black is 0 and white 255."""
    values = np.asarray(image)
    if image.mode == "I" and _tag(image, _SAMPLE_FORMAT) == (_UNSIGNED,):
        values = values.view(np.uint32)  # Pillow reads unsigned 32-bit values as signed
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise UnusableError(Reason.RANGE, "some of its values are infinite or not a number")
    low, high = (0.0, float(max_value)) if max_value else _stated_range(image, bits)
    scaled = np.clip((values - low) / (high - low), 0, 1) * 255
    if high == _WHITE_OF_16_BITS and not low:  # keep the 8 high bits, as in `trainer.decoding.png`
        scaled = np.floor(values / 256)
    if _tag(image, _PHOTOMETRIC) == (0,):
        scaled = 255 - scaled
    rgb = PIL.Image.fromarray(np.rint(scaled).astype(np.uint8)).convert("RGB")
    is_assumed = not max_value and image.mode.startswith("I;16") and high == _WHITE_OF_16_BITS
    return rgb, int(values.max()) if is_assumed else None


def _stated_range(image: PIL.Image.Image, bits: int) -> tuple[float, float]:
    """Returns the pixel values of black and white that the file states or its format implies."""
    for low, high in _RANGES:
        stated = (_tag(image, low) or (0,))[0], (_tag(image, high) or (0,))[0]
        if stated[0] < stated[1]:
            return float(stated[0]), float(stated[1])
    if image.mode.startswith("I;16"):
        return 0.0, float(2 ** min(bits, 16) - 1) if bits > 8 else float(_WHITE_OF_16_BITS)
    if image.format == "PPM" and image.mode == "I":
        return 0.0, float(_WHITE_OF_16_BITS)  # Pillow scales the values of PPM files to 0..65535
    kind = "floating-point" if image.mode == "F" else "signed or 32-bit"
    raise UnusableError(
        Reason.RANGE,
        f"the file does not say which {kind} values are black and white; expected 8 bits, or 16 "
        "unsigned bits, per channel; convert it, or give the value of white: ingest.max_value",
    )


def _tag(image: PIL.Image.Image, tag: int) -> tuple[Any, ...]:
    """Returns the values of a tag of a TIFF; an empty tuple if the image does not have the tag."""
    value = getattr(image, "tag_v2", {}).get(tag, ())
    return value if isinstance(value, tuple) else (value,)
