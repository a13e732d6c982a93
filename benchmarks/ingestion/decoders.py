"""Measures the CPU time that several decoders need for JPEGs.

python -m benchmarks.ingestion.decoders FOLDER
"""

import functools
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_PROJECT = Path(__file__).resolve().parents[2]
_ROUNDS = 3
BARE = "TensorFlow"


def measure_decoders(folder: Path) -> dict[str, float]:
    """Returns, for each decoder, the CPU milliseconds for reading and decoding an image.

    The measurement runs in a new process. Each value is the mean CPU time per file in the fastest
    of three rounds over all files in `folder`, so that the files are in the page cache. If pyvips
    is not installed, the result has no values for libvips.
    """
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.ingestion.decoders", str(folder)],
        cwd=_PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return json.loads(output.splitlines()[-1])


def _make_decoders() -> dict[str, Callable[[bytes], Any]]:
    import PIL.Image
    import tensorflow as tf

    from components.image_example_gen.normalise import normalise
    from trainer.decoding.jpeg import DCT_METHOD
    from trainer.decoding.limits import Limits

    def by_pillow(encoded: bytes, *, part: int) -> None:
        image = PIL.Image.open(io.BytesIO(encoded))
        image.draft("RGB", (image.width // part, image.height // part))
        image.load()

    decoders = {
        BARE: lambda encoded: tf.io.decode_jpeg(encoded, channels=3, dct_method=DCT_METHOD),
        "TensorFlow, an eighth": lambda encoded: tf.io.decode_jpeg(encoded, channels=3, ratio=8),
        "Pillow": functools.partial(by_pillow, part=1),
        "Pillow, an eighth": functools.partial(by_pillow, part=8),
        "ingestion's own check": lambda encoded: normalise(encoded, Limits()),
    }
    try:
        import pyvips
    except ImportError:
        return decoders

    def by_vips(encoded: bytes, **options: Any) -> None:
        pyvips.Image.new_from_buffer(encoded, "", access="sequential", **options).copy_memory()

    return decoders | {
        "libvips": by_vips,
        "libvips, an eighth": functools.partial(by_vips, shrink=8),
    }


def _measure(decode: Callable[[bytes], Any], files: Sequence[Path]) -> float:
    times = []
    for _ in range(_ROUNDS):
        start = time.process_time()
        for file in files:
            decode(file.read_bytes())
        times.append((time.process_time() - start) / len(files))
    return 1000 * min(times)


if __name__ == "__main__":
    found = sorted(Path(sys.argv[1]).glob("*/*.jpg"))
    print(json.dumps({name: _measure(each, found) for name, each in _make_decoders().items()}))
