"""Unusual and damaged files, and whether ingestion writes or quarantines them."""

import gzip
import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image

from components.image_example_gen.quarantine import Reason
from tests.conftest import encode, gradient
from tests.trainer.decoding import image_files
from tests.trainer.decoding.image_files import png_chunk

WRITTEN = None
_DAMAGED, _FORMAT, _LARGE, _RANGE = Reason.DAMAGED, Reason.FORMAT, Reason.TOO_LARGE, Reason.RANGE


def hostile_files() -> dict[str, tuple[bytes, Reason | None]]:
    """Returns the content and the outcome of each file: WRITTEN, or the reason for quarantine."""
    jpeg = encode(gradient(60, 80), "JPEG", quality=90)
    progressive = encode(gradient(60, 80), "JPEG", progressive=True)
    png = encode(gradient(60, 80), "PNG")
    gif = encode(gradient(60, 80).quantize(16), "GIF")
    bmp = encode(gradient(60, 80), "BMP")
    webp = encode(gradient(60, 80), "WEBP")
    tiff = encode(gradient(60, 80), "TIFF")
    grey = PIL.Image.fromarray
    return {
        # JPEG
        "plain.jpg": (jpeg, WRITTEN),
        "progressive.jpg": (progressive, WRITTEN),
        "grey.jpg": (encode(gradient().convert("L"), "JPEG"), WRITTEN),
        "cmyk.jpg": (encode(gradient().convert("CMYK"), "JPEG"), WRITTEN),
        "one_pixel.jpg": (encode(gradient(1, 1), "JPEG"), WRITTEN),
        "one_row.jpg": (encode(gradient(1, 5000), "JPEG"), WRITTEN),
        "bytes_behind.jpg": (jpeg + bytes(1000), WRITTEN),
        "two_images.jpg": (jpeg + jpeg, WRITTEN),
        "half.jpg": (jpeg[: len(jpeg) // 2], _DAMAGED),
        "headers_only.jpg": (jpeg[: jpeg.index(b"\xff\xda")], _DAMAGED),
        "start_only.jpg": (b"\xff\xd8\xff", _DAMAGED),
        "zeros_behind_headers.jpg": (jpeg[: len(jpeg) // 2] + bytes(2000), _DAMAGED),
        "no_size.jpg": (_with_jpeg_size(jpeg, 0, 0), _DAMAGED),
        "bomb.jpg": (_with_jpeg_size(jpeg, 65000, 65000), _LARGE),
        "many_scans.jpg": (_with_scans(progressive, 200), _LARGE),
        "arithmetic.jpg": (jpeg.replace(b"\xff\xc0", b"\xff\xc9", 1), WRITTEN),
        "lossless.jpg": (jpeg.replace(b"\xff\xc0", b"\xff\xc3", 1), _DAMAGED),
        "no_tables.jpg": (jpeg.replace(b"\xff\xdb", b"\xff\xfe"), _DAMAGED),
        # PNG
        "one_bit.png": (encode(gradient().convert("1"), "PNG"), WRITTEN),
        "alpha.png": (encode(image_files.transparent(), "PNG"), WRITTEN),
        "palette.png": (encode(gradient().quantize(7), "PNG"), WRITTEN),
        "text.png": (image_files.png_with_chunk(b"tEXt", b"x" * 100_000), WRITTEN),
        "half.png": (png[: len(png) // 2], _DAMAGED),
        "wrong_checksum.png": (png[:50] + bytes([png[50] ^ 1]) + png[51:], _DAMAGED),
        "no_pixels.png": (png[:33] + png_chunk(b"IEND", b""), _DAMAGED),
        "no_size.png": (_with_png_size(png, 0, 0), _DAMAGED),
        "bomb.png": (image_files.png_bomb(11_000), _LARGE),
        "says_large.png": (_with_png_size(png, 2**31 - 1, 2**31 - 1), _LARGE),
        "jpeg_called.png": (jpeg, WRITTEN),
        # GIF, BMP, WebP
        "animation.gif": (image_files.animation("GIF"), WRITTEN),
        "part_of_canvas.gif": (image_files.partial_gif(), WRITTEN),
        "half.gif": (gif[: len(gif) // 2], _DAMAGED),
        "no_frame.gif": (gif[:13] + b";", _DAMAGED),
        "palette.bmp": (image_files.bmp(4), WRITTEN),
        "half.bmp": (bmp[: len(bmp) // 2], _DAMAGED),
        "bomb.bmp": (bmp[:18] + struct.pack("<ii", 2**30, 2**30) + bmp[26:], _LARGE),
        "animation.webp": (image_files.animation("WEBP"), WRITTEN),
        "half.webp": (webp[: len(webp) // 2], _DAMAGED),
        # formats that Pillow decodes, not TensorFlow: TIFF, ICO, PPM, JPEG 2000
        "pages.tif": (
            encode(gradient(), "TIFF", save_all=True, append_images=[gradient()]),
            WRITTEN,
        ),
        "packed.tif": (encode(gradient(), "TIFF", compression="tiff_lzw"), WRITTEN),
        "half.tif": (tiff[: len(tiff) // 2], _DAMAGED),
        "bomb.tif": (encode(PIL.Image.new("1", (11_000, 11_000)), "TIFF"), _LARGE),
        "float.tif": (encode(grey(np.zeros([9, 9], np.float32)), "TIFF"), _RANGE),
        "signed.tif": (encode(grey(np.zeros([9, 9], np.int32)), "TIFF"), _RANGE),
        "icon.ico": (encode(gradient(16, 16), "ICO"), WRITTEN),
        "plain.ppm": (encode(gradient(), "PPM"), WRITTEN),
        "bomb.ppm": (b"P6 50000 50000 255\n" + bytes(100), _LARGE),
        "plain.jp2": (encode(gradient(), "JPEG2000"), WRITTEN),
        # files that are not images
        "empty.jpg": (b"", Reason.EMPTY),
        "one_byte.jpg": (b"\xff", _FORMAT),
        "zeros.jpg": (bytes(100_000), _FORMAT),
        "noise.jpg": (np.random.default_rng(0).bytes(10_000), _FORMAT),
        "page.jpg": (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", _FORMAT),
        "pointer.jpg": (b"version https://git-lfs.github.com/spec/v1\nsize 1\n", _FORMAT),
        "packed.jpg": (gzip.compress(jpeg), _FORMAT),
        "archive.jpg": (_archive(jpeg), _FORMAT),
        "script.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", _FORMAT),
        "document.jpg": (b"%PDF-1.4\n" + bytes(100), _FORMAT),
        "drawing.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', _FORMAT),
        "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100), Reason.HEIC),
    }


def write_hostile_files(folder: Path) -> dict[str, Reason | None]:
    """Writes the files of `hostile_files`, a pipe, unusable links, and JPEGs with unusual names.

    Returns:
      The outcome of each file: WRITTEN, or the reason for quarantine.
    """
    outcomes = {}
    for name, (content, outcome) in hostile_files().items():
        (folder / name).write_bytes(content)
        outcomes[name] = outcome
    jpeg = encode(gradient(60, 81), "JPEG")
    for name in (
        "new\nline.jpg",
        "\u202eright to left.jpg",
        "n" * 250 + ".jpg",
        "no ending",
        "'\"$(x)",
    ):
        (folder / name).write_bytes(jpeg)
        outcomes[name] = WRITTEN
    not_utf8 = os.fsdecode(b"latin\xe9.jpg")
    (folder / not_utf8).write_bytes(jpeg)
    outcomes[not_utf8] = Reason.NAME
    os.mkfifo(folder / "pipe.jpg")
    (folder / "device.jpg").symlink_to("/dev/zero")
    (folder / "nowhere.jpg").symlink_to("nothing")
    (folder / "circle.jpg").symlink_to("circle.jpg")
    (folder / "loop").symlink_to(folder)
    for name in ("pipe.jpg", "device.jpg", "nowhere.jpg", "circle.jpg"):
        outcomes[name] = Reason.UNREADABLE
    return outcomes


def _with_jpeg_size(jpeg: bytes, height: int, width: int) -> bytes:
    position = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:position] + struct.pack(">HH", height, width) + jpeg[position + 4 :]


def _with_scans(progressive: bytes, count: int) -> bytes:
    scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    return progressive[:-2] + scan * count + progressive[-2:]


def _with_png_size(png: bytes, height: int, width: int) -> bytes:
    header = struct.pack(">II", width, height) + png[24:29]
    return png[:8] + png_chunk(b"IHDR", header) + png[33:]


def _archive(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("1.jpg", content)
    return file.getvalue()
