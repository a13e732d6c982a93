"""Functions that write image files in many formats."""

import io
import struct
import zlib

import numpy as np
import PIL.Image

from tests.conftest import encode, gradient

ORIENTATION = 0x0112


def exif(orientation: int, order: str = "<") -> bytes:
    """Returns EXIF data: a TIFF header and a directory with one entry, the orientation."""
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order]
    entry = struct.pack(f"{order}HHIHH", ORIENTATION, 3, 1, orientation, 0)
    return mark + struct.pack(f"{order}IH", 8, 1) + entry + bytes(4)


def png_chunk(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def png_with_chunk(name: bytes, content: bytes, *, behind_pixels: bool = False) -> bytes:
    """Returns a PNG with an additional chunk."""
    encoded = encode(gradient(), "PNG")
    position = len(encoded) - 12 if behind_pixels else 33
    return encoded[:position] + png_chunk(name, content) + encoded[position:]


def profile(orientation: int) -> bytes:
    """Returns EXIF data in the format in which ImageMagick writes it to a PNG's text chunk."""
    content = b"Exif\0\0" + exif(orientation, ">")
    digits = content.hex().encode()
    lines = b"\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
    return b"Raw profile type exif\0\nexif\n%8d\n%s\n" % (len(content), lines)


def png_of_numbers(values: np.ndarray) -> bytes:
    """Returns a 16-bit PNG of `values`: uint16 [h, w], [h, w, 3] or [h, w, 4]."""
    height, width, *channels = values.shape
    kind = {(): 0, (3,): 2, (4,): 6}[tuple(channels)]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )


def png_bomb(side: int) -> bytes:
    """Returns a small PNG file with side x side white pixels."""
    row = b"\0" + b"\xff" * (side * 3)
    compressor = zlib.compressobj(9)
    pixels = b"".join(compressor.compress(row) for _ in range(side)) + compressor.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", pixels)
        + png_chunk(b"IEND", b"")
    )


def transparent(mode: str = "RGBA") -> PIL.Image.Image:
    """Returns a gradient whose alpha grows from left to right, unless `mode` is "P".

    An image of mode "P" has a palette, and no alpha channel. The upper half of a "P" image has the
    palette's first colour; a caller that saves the image can declare this colour transparent.
    """
    image = gradient()
    alpha = PIL.Image.linear_gradient("L").rotate(90).resize(image.size)
    if mode == "P":
        indices = np.asarray(image.quantize(15)) + 1
        indices[:12] = 0
        colors = image.quantize(15).getpalette()[:45]
        image = PIL.Image.fromarray(indices.astype(np.uint8), "P")
        image.putpalette([0, 0, 0, *colors])
        return image
    image = image.convert("RGB")
    image.putalpha(alpha)
    return image.convert(mode)


def white_behind(image: PIL.Image.Image) -> np.ndarray:
    """Blends an image with alpha onto a white background, with Pillow."""
    rgba = image.convert("RGBA")
    white = PIL.Image.new("RGBA", image.size, "white")
    return np.asarray(PIL.Image.alpha_composite(white, rgba).convert("RGB"))


def partial_gif() -> bytes:
    """Returns a GIF whose frame covers only the middle of the canvas."""
    encoded = bytearray(encode(gradient().quantize(16), "GIF"))
    colors = 3 * 2 ** ((encoded[10] & 7) + 1)
    encoded[6:10] = struct.pack("<HH", 52, 44)
    position = encoded.index(b",", 13 + colors)
    encoded[position + 1 : position + 5] = struct.pack("<HH", 10, 10)
    return bytes(encoded)


def bmp(depth: int, *, top_down: bool = False) -> bytes:
    """Returns an uncompressed BMP with 1, 4, 8, 24 or 32 bits per pixel."""
    image = gradient(24, 31)
    if depth == 32:
        pixels = np.asarray(image.convert("RGBA"))[..., [2, 1, 0, 3]].tobytes()
        head = struct.pack("<2sIHHI", b"BM", 54 + len(pixels), 0, 0, 54)
        rows = np.frombuffer(pixels, np.uint8).reshape(24, 31 * 4)[::-1].tobytes()
        info = struct.pack("<IiiHHIIiiII", 40, 31, 24, 1, 32, 0, len(rows), 0, 0, 0, 0)
        encoded = head + info + rows
    elif depth == 4:
        palette = image.quantize(16)
        colors = np.array(palette.getpalette()[:48], np.uint8).reshape(16, 3)
        indices = np.pad(np.asarray(palette), ((0, 0), (0, 1)))
        rows = (indices[:, ::2] << 4 | indices[:, 1::2])[::-1]
        table = b"".join(bytes([blue, green, red, 0]) for red, green, blue in colors)
        head = struct.pack("<2sIHHI", b"BM", 0, 0, 0, 54 + 64)
        info = struct.pack("<IiiHHIIiiII", 40, 31, 24, 1, 4, 0, 0, 0, 0, 16, 0)
        encoded = head + info + table + rows.astype(np.uint8).tobytes()
    else:
        modes = {1: image.convert("1"), 8: image.quantize(200), 24: image}
        encoded = encode(modes[depth], "BMP")
    if top_down:
        start = struct.unpack_from("<I", encoded, 10)[0]
        stride = (31 * depth + 31) // 32 * 4
        rows = [encoded[start + i * stride :][:stride] for i in reversed(range(24))]
        height = struct.pack("<i", -24)
        encoded = encoded[:22] + height + encoded[26:start] + b"".join(rows)
    return encoded


def animation(format: str, mode: str = "RGB") -> bytes:
    """Returns an animation of two frames: a gradient and a white image."""
    frames = [gradient().convert(mode), PIL.Image.new(mode, (32, 24), "white")]
    options = {"lossless": True} if format == "WEBP" else {}
    return encode(frames[0], format, save_all=True, append_images=frames[1:], **options)


def decode_with_pillow(encoded: bytes) -> np.ndarray:
    """Returns an image as Pillow decodes it, upright on a white background, uint8 [h, w, 3]."""
    import PIL.ImageOps

    image = PIL.Image.open(io.BytesIO(encoded))
    image.load()
    image = PIL.ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode == "I":
        return np.repeat((np.asarray(image) >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        return white_behind(image)
    return np.asarray(image.convert("RGB"))
