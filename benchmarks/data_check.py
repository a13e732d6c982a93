"""How many planted near duplicates the data check finds among real images, and how fast.

    python -m benchmarks.data_check FOLDER [--seeds 5] [--planted 20]

FOLDER has images in any folders below it. A quarter each of the planted images is encoded again,
made smaller (70 %), cropped (5 % of each side's length, anywhere) and mirrored.
"""

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps

from components.data_check.measure import ImageRecord, measure_image
from components.data_check.near_duplicates import find_near_duplicates

Change = Callable[[PIL.Image.Image, np.random.Generator], PIL.Image.Image]


def _crop(image: PIL.Image.Image, random: np.random.Generator) -> PIL.Image.Image:
    left, upper = random.uniform(0, 0.05, 2) * image.size
    return image.crop((left, upper, left + 0.95 * image.width, upper + 0.95 * image.height))


CHANGES: dict[str, Change] = {
    "encoded again": lambda image, random: image,
    "smaller": lambda image, random: image.resize(
        (int(0.7 * image.width), int(0.7 * image.height))
    ),
    "cropped": _crop,
    "mirrored": lambda image, random: PIL.ImageOps.mirror(image),
}


def encode(image: PIL.Image.Image, quality: int) -> bytes:
    """Returns an image as a JPEG."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def measure(image: PIL.Image.Image, name: str, quality: int = 95) -> ImageRecord:
    """Returns the record of an image."""
    return measure_image(encode(image, quality), file_name=name, split="train", label=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--planted", type=int, default=20)
    arguments = parser.parse_args()
    files = sorted(path for path in arguments.folder.rglob("*.jpg") if path.is_file())
    images = [PIL.Image.open(path).convert("RGB") for path in files]
    before = time.monotonic()
    records = [measure(image, str(path)) for image, path in zip(images, files, strict=True)]
    print(f"{len(files)} images, {1000 * (time.monotonic() - before) / len(files):.1f} ms each")
    natural = {pair[:2] for pair in find_near_duplicates(records)}
    print(f"near duplicates among the originals: {len(natural)}")
    for seed in range(arguments.seeds):
        random = np.random.default_rng(seed)
        chosen = random.choice(len(images), arguments.planted, replace=False)
        kinds = [list(CHANGES)[place % len(CHANGES)] for place in range(len(chosen))]
        planted = [
            measure(CHANGES[kind](images[index], random), kind, quality=60)
            for kind, index in zip(kinds, chosen, strict=True)
        ]
        before = time.monotonic()
        pairs = {pair[:2] for pair in find_near_duplicates([*records, *planted])} - natural
        seconds = time.monotonic() - before
        expected = {(int(index), len(records) + n): kinds[n] for n, index in enumerate(chosen)}
        missed = [kind for pair, kind in expected.items() if pair not in pairs]
        print(
            f"seed {seed}: {len(expected) - len(missed)} of {len(expected)} found, "
            f"{len(pairs - set(expected))} false pairs, missed {missed or 'none'}; {seconds:.2f} s"
        )


if __name__ == "__main__":
    main()
