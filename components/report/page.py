"""The page of a report: one HTML file that loads no other file.

This module imports neither TensorFlow nor TFX, which take seconds to import.
"""

import base64
import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from components.image_example_gen.sources.base import SPLITS
from components.model_evaluator.heat_maps import HeatMaps
from components.report import charts
from components.report.answers import Answers, ClassResult
from components.report.contents import Contents, NodeUsage
from components.report.heat_overlay import describe_map, draw_overlay
from components.report.issue_groups import MOST_IMAGES, group_issues
from components.report.slowest_nodes import name_slowest
from components.report.template import render

MOST_THUMBNAILS, MOST_OF_CLASS = 240, 6
_MOST_BYTES = 5_000_000  # `make_page` leaves images out to keep the page below this size
_MOST_PAIRS, _MOST_BALANCED = 15, 40
_METHODS = {
    "attention": "A heat map shows which patches of the image the answer depends on: attention to "
    "warm patches raises the odds of the answer (attention rollout, weighted by gradients).",
    "occlusion": "A heat map shows which parts of the image the answer depends on: covering a warm "
    "part lowers the odds of the answer (occlusion).",
}
# The page enlarges an image without smoothing if neither side is longer than this number of pixels.
_MAX_PIXELATED_SIDE = 64


def make_page(contents: Contents) -> str:
    """Makes the HTML page, which has at most 5 MB.

    HTML markup in the name of a class or of a file has no effect.
    """
    drawn = _draw_charts(contents)
    images = MOST_THUMBNAILS
    while True:
        page = _render(contents, drawn, images)
        if len(page.encode()) <= _MOST_BYTES or not images:
            return page
        images //= 2


def choose_mistakes(answers: Answers, most: int = MOST_THUMBNAILS) -> list[int]:
    """Returns the indices of the wrong predictions that a page shows, by decreasing probability."""
    return answers.confidently_wrong(most, MOST_OF_CLASS)


@dataclasses.dataclass(frozen=True)
class _Head:
    """The text at the top of the page: title, verdict and a short description."""

    title: str
    tone: str
    badge: str
    sentence: str
    tune: str
    warnings: Sequence[str]
    sections: Sequence[tuple[str, str]]


def _render(contents: Contents, drawn: dict[str, Any], images: int) -> str:
    values = _values(contents, images) | {"page": _head(contents), "charts": drawn}
    return render("report.html", values, script="script.js")


def _head(contents: Contents) -> _Head:
    settings, verdict = contents.settings, contents.verdict
    if contents.is_inspection:
        tone, badge, sentence = "stopped", "Inspected", _describe_inspection(contents)
    elif verdict is None:
        why = contents.stopped or "The run ended before a model was evaluated."
        tone, badge, sentence = "stopped", "Stopped", why
    elif not verdict.blessed:
        tone, badge, sentence = (
            "bad",
            "Not pushed",
            f"The gate did not bless the model: {verdict.reasons}.",
        )
    elif verdict.unpushed:
        tone, badge, sentence = "bad", "Not pushed", f"The model is blessed, but {verdict.unpushed}"
    else:
        already = ", which was served already" if verdict.was_served else ""
        version = f"version {verdict.version}{already}: {verdict.pushed_to}"
        tone, badge, sentence = "good", "Pushed", f"The gate blessed the model: {version}"
    sections = [
        ("mistakes", "Mistakes", contents.answers),
        ("confusions", "Confusions", contents.answers),
        ("classes", "Classes", contents.answers),
        ("confidence", "Confidence", contents.answers),
        ("training", "Training", contents.curves),
        ("data", "Data", contents.data),
        ("issues", "Data check", contents.issues),
        ("images", "Images", contents.sheets or None),
        ("run", "Run", True),
    ]
    return _Head(
        title=f"{settings.name}: {badge.lower()}",
        tone=tone,
        badge=badge,
        sentence=sentence,
        tune="the whole backbone tuned"
        if settings.tune == "full"
        else "a head tuned on its features",
        warnings=list(_warnings(contents)),
        sections=[(key, title) for key, title, part in sections if part is not None],
    )


def _describe_inspection(contents: Contents) -> str:
    """Returns a sentence about the issues that the data check found."""
    if contents.issues is None:
        return "The images were read. The data check was switched off."
    counts = Counter(record["kind"] for record in contents.issues.records)
    found = ", ".join(f"{kind}: {count}" for kind, count in counts.items())
    return f"The data check found {found}." if found else "The data check found nothing."


def _warnings(contents: Contents) -> Iterator[str]:
    if contents.warning:
        yield contents.warning
    if contents.verdict is not None:
        yield from (f"{line[:1].upper()}{line[1:]}." for line in contents.verdict.warnings)
    if contents.data is not None and contents.data.anomalies:
        yield "The examples differ from the schema: see Anomalies in the section Data."


def _values(contents: Contents, images: int) -> dict[str, Any]:
    settings, answers = contents.settings, contents.answers
    values: dict[str, Any] = {
        "c": contents,
        "sheets": [
            (sheet, list(sheet.images.items())[: -(-len(sheet.images) * images // MOST_THUMBNAILS)])
            for sheet in contents.sheets
        ],
        "s": settings,
        "a": answers,
        "lineage": [
            *((name, value) for name, value in settings.lineage.items() if value),
            *contents.versions.items(),
        ],
        "longest": max((node.seconds for node in contents.nodes), default=0) or 1,
        "slowest": _describe_slowest(contents.nodes),
        "issue_groups": (
            group_issues(contents.issues, min(images, MOST_IMAGES)) if contents.issues else []
        ),
        "balance_note": (
            f"The {_MOST_BALANCED} classes with the fewest images."
            if len(settings.classes) > _MOST_BALANCED
            else "The class with the fewest images first."
        ),
    }
    if answers is None:
        return values
    rows = answers.by_class()
    pairs = answers.worst_pairs()
    wrong = ~answers.is_right
    return values | {
        "champion": answers.champion_accuracy,
        "worst": rows[0],
        "class_rows": rows,
        "pairs": pairs[:_MOST_PAIRS],
        "more_pairs": len(pairs[_MOST_PAIRS:]),
        "unconfident": int((wrong & ~answers.accepted).sum()),
        "has_threshold": bool(0 < answers.accepted.sum() < len(answers)),
        "mistakes": list(_describe_mistakes(contents, answers, images)),
        "heat_maps": _explain_maps(contents.heat_maps) if contents.heat_maps else "",
        "wrong_classes": _wrong_classes(rows),
    }


def _wrong_classes(rows: Sequence[ClassResult]) -> list[tuple[str, int, int]]:
    """For each class with wrong predictions, returns its name, its label and the number of wrong
    predictions.
    """
    counts = [(row.name, row.label, row.recall.of - row.recall.hits) for row in rows]
    return sorted((entry for entry in counts if entry[2]), key=lambda entry: entry[1])


def _describe_mistakes(contents: Contents, answers: Answers, most: int) -> Iterator[dict[str, Any]]:
    for index in choose_mistakes(answers, most):
        truth = answers.name(int(answers.labels[index]))
        answer = answers.name(int(answers.predicted[index]))
        file = str(answers.files[index])
        image = contents.thumbnails.get(file)
        heat = contents.heat_maps.maps.get(file) if contents.heat_maps and image else None
        yield {
            "map": base64.b64encode(draw_overlay(heat, image.width, image.height)).decode()
            if heat and image
            else "",
            "map_alt": f"Heat map: {describe_map(heat)}" if heat else "",
            "label": int(answers.labels[index]),
            "truth": truth,
            "answer": answer,
            "probability": float(answers.probabilities[index]),
            "file": file,
            "alt": f"{file}: {truth}, answered as {answer}",
            "image": base64.b64encode(image.jpeg).decode() if image else "",
            "width": image.width if image else 0,
            "height": image.height if image else 0,
            "small": image is not None and max(image.width, image.height) <= _MAX_PIXELATED_SIDE,
        }


def _explain_maps(maps: HeatMaps) -> str:
    """Explains in words what a heat map shows, and how many images have a heat map."""
    number = len(maps.maps)
    fewer = f" of {maps.wanted}" if number < maps.wanted else ""
    return f"{_METHODS[maps.method]} Shown for the {number}{fewer} surest wrong answers."


def _draw_charts(contents: Contents) -> dict[str, Any]:
    answers, curves, data = contents.answers, contents.curves, contents.data
    classes = contents.settings.classes
    drawn: dict[str, Any] = {"training": []}
    if answers is not None:
        floor = contents.verdict.floor if contents.verdict else None
        drawn |= {
            "accuracy": charts.accuracy_bar(answers, floor),
            "confusion": charts.confusion_matrix(answers),
            "reliability": charts.reliability(answers),
            "coverage": charts.coverage(answers),
        }
    if curves is not None:
        recorded = {key for record in (*curves.steps, *curves.epochs) for key in record}
        titles = {"loss": "Loss", "accuracy": "Accuracy"}
        drawn["training"] = [
            (title, charts.training_curve(curves, metric))
            for metric, title in titles.items()
            if metric in recorded
        ]
        if "learning_rate" in recorded:
            drawn["training"].append(("Learning rate", charts.learning_rate(curves)))
    if data is not None:
        drawn["balance"] = charts.class_balance(data, classes, SPLITS, _MOST_BALANCED)
    return drawn


def _describe_slowest(nodes: Sequence[NodeUsage]) -> str:
    """Returns a sentence about the nodes that took the most time; empty if there are no nodes."""
    if named := name_slowest(nodes):
        return f"Most time went into {named}."
    return "Every node was taken from the cache." if nodes else ""
