"""Measures how many planted faults the data check finds in real images, and how fast.

    python -m benchmarks.data_check FOLDER [--seeds 5] [--planted 20]
    python -m benchmarks.data_check FOLDER --backbone SAVED_MODEL [--swapped 30] [--odd FOLDER]

FOLDER contains one folder of JPEGs for each class. The benchmark adds near duplicates of randomly
chosen images, and prints how many near duplicates `--data-check fast` finds. The benchmark makes
near duplicates in four ways, and uses each way for a quarter of the chosen images: it encodes the
image again without another change, resizes it to 70 % of the height and width, crops it at a random
position to 95 % of the height and width, or mirrors it. With `--backbone`, the benchmark also gives
some images the label of another class, adds outliers from the folder `--odd`, if it is given, and
prints how many near duplicates, wrong labels and outliers `--data-check full` finds.
"""

import argparse
import io
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps

from components.data_check.feature_issues import (
    confirm_pairs,
    find_outliers,
    find_wrong_labels,
    predict_out_of_fold,
)
from components.data_check.measure import measure_views
from components.data_check.near_duplicates import find_near_duplicates
from components.data_check.views import Views

Change = Callable[[PIL.Image.Image, np.random.Generator], PIL.Image.Image]
ToFeatures = Callable[[Sequence[bytes]], np.ndarray]
_OUTLIERS = 3  # number of outliers that `try_outliers` adds for each random seed


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


def measure(encoded: bytes) -> Views:
    """Returns the hashes and small copies by which the data check compares images.

    Args:
      encoded: an image of at least 32 x 32 pixels.
    """
    views = measure_views(encoded)
    assert views is not None
    return views


def plant_duplicates(
    images: Sequence[bytes], planted: int, random: np.random.Generator
) -> tuple[np.ndarray, list[str], list[bytes]]:
    """Returns the indices of random images, a kind of change for each, and the changed copies."""
    chosen = random.choice(len(images), planted, replace=False)
    kinds = [list(CHANGES)[place % len(CHANGES)] for place in range(planted)]
    changed = [
        encode(CHANGES[kind](PIL.Image.open(io.BytesIO(images[index])), random), 60)
        for kind, index in zip(kinds, chosen, strict=True)
    ]
    return chosen, kinds, changed


def try_duplicates(
    images: Sequence[bytes], planted: int, seeds: int, features: np.ndarray, run: ToFeatures | None
) -> None:
    """Prints which planted duplicates the check misses, and its false pairs, for each seed."""
    before = time.monotonic()
    views = [measure(image) for image in images]
    print(f"{len(images)} images, {1000 * (time.monotonic() - before) / len(images):.1f} ms each")
    natural = find_near_duplicates(views)
    print(f"near duplicates among the originals: {len(natural)}")
    results: dict[str, list[tuple[int, int]]] = {}
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        chosen, kinds, changed = plant_duplicates(images, planted, random)
        expected = {(int(index), len(views) + n): kinds[n] for n, index in enumerate(chosen)}
        pairs = find_near_duplicates([*views, *map(measure, changed)])
        found = {"fast": pairs}
        if run is not None:
            found["full"] = confirm_pairs(pairs, np.concatenate([features, run(changed)]))
        for check, pairs in found.items():
            new = {pair[:2] for pair in pairs} - {pair[:2] for pair in natural}
            missed = [kind for pair, kind in expected.items() if pair not in new]
            false = len(new - set(expected))
            results.setdefault(check, []).append((planted - len(missed), false))
            print(f"  seed {seed}, {check}: missed {missed or 'none'}, {false} false pairs")
    for check, rows in results.items():
        right, false = np.mean(rows, axis=0)
        print(f"duplicates, {check}: {right:.1f} of {planted} found, {false:.1f} false pairs")


def try_labels(features: np.ndarray, labels: np.ndarray, swapped: int, seeds: int) -> None:
    """Gives `swapped` images a wrong label, and prints how many wrong labels the check finds."""
    print(f"wrong labels among the originals: {len(find_wrong_labels(features, labels))}")
    rows = []
    classes = labels.max() + 1
    before = time.monotonic()
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        is_wrong = np.zeros(len(labels), bool)
        is_wrong[random.choice(len(labels), swapped, replace=False)] = True
        moved = (labels + random.integers(1, classes, len(labels))) % classes
        given = np.where(is_wrong, moved, labels)
        probabilities = predict_out_of_fold(features, given)
        worst = np.argsort(probabilities[np.arange(len(given)), given])[:swapped]
        shown = [found.image for found in find_wrong_labels(features, given)]
        rows.append((is_wrong[worst].sum(), len(shown), is_wrong[shown].sum()))
        print(
            "  seed {}: {} in the worst {}; {} shown, {} of them wrong".format(
                seed, rows[-1][0], swapped, *rows[-1][1:]
            )
        )
    seconds = (time.monotonic() - before) / seeds / 2
    in_worst, listed, _ = np.mean(rows, axis=0)
    precision = np.mean([right / listed for _, listed, right in rows])
    print(
        f"labels: {in_worst:.1f} of {swapped} swapped ones among the {swapped} worst; {listed:.1f} "
        f"in the list, precision {precision:.2f}; {seconds:.1f} s"
    )


def try_outliers(features: np.ndarray, labels: np.ndarray, odd: np.ndarray, seeds: int) -> None:
    """Adds outliers, whose features are `odd`, and prints how many of them the data check finds."""
    print(f"outliers among the originals: {len(find_outliers(features, labels))}")
    rows = []
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        chosen = odd[random.choice(len(odd), _OUTLIERS, replace=False)]
        classes = random.integers(0, labels.max() + 1, _OUTLIERS)
        found = find_outliers(np.concatenate([features, chosen]), np.concatenate([labels, classes]))
        rows.append((sum(index >= len(labels) for index, _ in found), len(found)))
    right, listed = np.mean(rows, axis=0)
    print(f"outliers: {right:.1f} of {_OUTLIERS} in the list of {listed:.1f}")


def read_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yields the class and the re-encoded bytes of each JPEG in class folders."""
    for path in sorted(folder.glob("*/*.jpg")):
        with PIL.Image.open(path) as image:
            yield path.parent.name, encode(image.convert("RGB"), 95)


def make_features(backbone: Any) -> ToFeatures:
    """Returns a function that computes the features of a backbone for encoded images."""
    import tensorflow as tf

    from trainer.preprocessing import CHUNK, FrozenBackbone

    frozen = FrozenBackbone(str(backbone), "-1,1")

    def run(images: Sequence[bytes]) -> np.ndarray:
        parts = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]
        return np.concatenate([frozen.from_bytes(tf.constant(part)).numpy() for part in parts])

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--planted", type=int, default=20)
    parser.add_argument("--backbone", type=Path)
    parser.add_argument("--swapped", type=int, default=30)
    parser.add_argument("--odd", type=Path)
    arguments = parser.parse_args()
    names, images = zip(*read_folder(arguments.folder), strict=True)
    run = make_features(arguments.backbone) if arguments.backbone else None
    features = run(images) if run else np.zeros([len(images), 0], np.float32)
    try_duplicates(images, arguments.planted, arguments.seeds, features, run)
    if run:
        labels = np.unique(names, return_inverse=True)[1]
        try_labels(features, labels, arguments.swapped, arguments.seeds)
        if arguments.odd:
            odd = run([image for _, image in read_folder(arguments.odd)])
            try_outliers(features, labels, odd, arguments.seeds)


if __name__ == "__main__":
    main()
