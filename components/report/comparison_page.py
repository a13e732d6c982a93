"""The page that compares two runs: one HTML file that loads no other file."""

import dataclasses
from typing import Any

from components.report.comparison import Comparison, DifferingImage
from components.report.template import render

MOST_IMAGES = 300


def make_comparison_page(comparison: Comparison) -> str:
    """Makes the HTML page of a comparison. HTML markup in the names of classes and images is
    escaped.
    """
    first, second = comparison.runs
    groups = [
        (f"Only {first.name} is right", (True, False)),
        (f"Only {second.name} is right", (False, True)),
        ("Both models are wrong, with different answers", (False, False)),
    ]
    return render(
        "comparison.html",
        {
            "c": comparison,
            "first": first,
            "second": second,
            "groups": [
                (
                    title,
                    len(found := [image for image in comparison.differing if image.right == right]),
                    [_with_thumbnail(image, comparison) for image in found[:MOST_IMAGES]],
                )
                for title, right in groups
            ],
        },
    )


def _with_thumbnail(image: DifferingImage, comparison: Comparison) -> dict[str, Any]:
    images = [run.images[image.file] for run in comparison.runs if image.file in run.images]
    return dataclasses.asdict(image) | {"jpeg": images[0] if images else ""}
