"""Makes unusual image files, and files that are not images, as clients may send them to a server.

The kinds of files come from well-known tests of image decoders: PngSuite, images in the eight EXIF
orientations, and Pillow's broken files and decompression bombs.
"""

import dataclasses
import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import PIL.Image


@dataclasses.dataclass(frozen=True)
class Probe:
    """A file that is sent to a model.

    Attributes:
      name: the name of the file.
      content: the bytes of the file.
      is_image: whether the model must decode the file; if None, the model may decode or refuse it.
    """

    name: str
    content: bytes
    is_image: bool | None


def make_probes() -> Iterator[Probe]:
    """Yields all probes. The bytes of the probes depend only on the version of Pillow."""
    image = _gradient()
    jpeg, png = _encode(image, "JPEG", quality=90), _encode(image, "PNG")
    good = {
        "jpeg": jpeg,
        "progressive jpeg": _encode(image, "JPEG", progressive=True),
        "grey jpeg": _encode(image.convert("L"), "JPEG"),
        "CMYK jpeg": _encode(image.convert("CMYK"), "JPEG"),
        "jpeg with EXIF orientation": _encode(image, "JPEG", exif=_orientation(6)),
        "png": png,
        "png of 1 bit": _encode(image.convert("1"), "PNG"),
        "png of 16 bits": _encode(_to_grey_16_bits(image), "PNG"),
        "grey png": _encode(image.convert("L"), "PNG"),
        "grey png with alpha": _encode(image.convert("LA"), "PNG"),
        "png with a palette": _encode(image.convert("P"), "PNG"),
        "png with alpha": _encode(image.convert("RGBA"), "PNG"),
        "png of one pixel": _encode(image.resize((1, 1)), "PNG"),
        "narrow png": _encode(image.resize((2, 300)), "PNG"),
        "gif": _encode(image, "GIF"),
        "animated gif": _encode(
            image, "GIF", save_all=True, append_images=[image.rotate(90)], duration=100
        ),
        "bmp": _encode(image, "BMP"),
        "webp": _encode(image, "WEBP"),
        "webp with alpha": _encode(image.convert("RGBA"), "WEBP", lossless=True),
    }
    garbage = {
        "no bytes": b"",
        "one byte": b"\xff",
        "text": b"<!DOCTYPE html><title>404 Not Found</title>",
        "random bytes": np.random.default_rng(0).bytes(2000),
        "start of a jpeg": jpeg[:20],
        "start of a png": png[:20],
        "start of a gif": b"GIF89a",
        "start of a webp": b"RIFF\x10\x00\x00\x00WEBPVP8 ",
        "start of a bmp": b"BM\x00\x00",
        "png of 2,500,000,000 pixels": _png_header(50_000, 50_000),
        "zip archive": b"PK\x03\x04" + bytes(100),
    }
    either = {  # some decoders accept these files, and other decoders refuse them
        "half of a jpeg": jpeg[: len(jpeg) // 2],
        "half of a png": png[: len(png) // 2],
        "jpeg with wrong bytes": jpeg[:-200] + bytes(100) + jpeg[-100:],
        "png with a wrong checksum": png[:-20] + bytes(4) + png[-16:],
        "tiff": _encode(image, "TIFF"),
    }
    for files, is_image in ((good, True), (garbage, False), (either, None)):
        for name, content in files.items():
            yield Probe(name, content, is_image)


def _gradient() -> PIL.Image.Image:
    """Returns an RGB image of 64 by 48 pixels whose values grow to the right and downwards."""
    rows, columns = np.mgrid[0:48, 0:64]
    channels = np.stack([columns * 4, rows * 5, (rows + columns) * 2], axis=-1)
    return PIL.Image.fromarray(channels.astype(np.uint8))


def _to_grey_16_bits(image: PIL.Image.Image) -> PIL.Image.Image:
    """Converts the image to a grey image with 16 bits per pixel."""
    return PIL.Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


def _encode(image: PIL.Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def _orientation(value: int) -> PIL.Image.Exif:
    exif = PIL.Image.Exif()
    exif[0x0112] = value
    return exif


def _png_header(width: int, height: int) -> bytes:
    """Returns a PNG file that contains only a header, and no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    checksum = struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + checksum
