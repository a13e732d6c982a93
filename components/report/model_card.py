"""The model card: a `README.md` with the front matter that Hugging Face reads.

https://huggingface.co/docs/hub/model-cards describes the format.

This module imports neither TensorFlow nor TFX, which take seconds to import.
"""

from collections.abc import Iterator
from typing import Any

import yaml

from components.report.answers import Answers
from components.report.contents import Contents

_OPEN = "**To be filled in:**"
_MOST_CLASSES = 50  # largest number of rows in the table of classes


def make_card(contents: Contents, answers: Answers) -> str:
    """Makes the model card of an evaluated model."""
    return "".join(_parts(contents, answers))


def _parts(contents: Contents, answers: Answers) -> Iterator[str]:
    settings, accuracy = contents.settings, answers.accuracy
    front = yaml.safe_dump(_front_matter(contents, answers), sort_keys=False, allow_unicode=True)
    yield f"---\n{front}---\n\n# {settings.name}\n\n"
    tuned = "the whole of" if settings.tune == "full" else "a head on the frozen features of"
    yield (
        f"An image classifier of {len(settings.classes)} classes, made by tuning {tuned} "
        f"`{_code(settings.model)}` on `{_code(settings.dataset)}`.\n\n"
    )
    yield (
        f"## Results\n\nAccuracy on {accuracy.of} test images that no training saw: "
        f"**{100 * accuracy.value:.1f} %** (95 % interval {100 * accuracy.low:.1f} to "
        f"{100 * accuracy.high:.1f} %). Expected calibration error: "
        f"{100 * answers.calibration_error:.1f} %. The test images are a random sample of the "
        "dataset: images from another source may be classified less well.\n\n"
    )
    yield "| class | recall | 95 % interval | test images |\n| --- | --- | --- | --- |\n"
    rows = answers.by_class()
    for row in rows[:_MOST_CLASSES]:
        recall = row.recall
        figures = (
            f"{100 * recall.value:.1f} % | {100 * recall.low:.0f} to {100 * recall.high:.0f} %"
            if recall.of
            else "unknown | unknown"
        )
        yield f"| {_cell(row.name)} | {figures} | {recall.of} |\n"
    if len(rows) > _MOST_CLASSES:
        yield f"\nand {len(rows) - _MOST_CLASSES} classes with a better recall.\n"
    verdict = contents.verdict
    if verdict is not None and not verdict.blessed:
        yield f"\nThe gate did not bless this model: {_cell(verdict.reasons)}.\n"
    yield (
        "\n## Intended use\n\n"
        f"{_OPEN} what the model is for, who uses it, and what it must not be used for.\n\n"
        f"## Limits and risks\n\n{_OPEN} for whom or where it works less well; what follows from "
        "a wrong answer.\n\n"
    )
    licences = {"backbone": settings.model_licence, "images": settings.dataset_licence}
    known = [f"{name}: {licence or 'unknown'}" for name, licence in licences.items()]
    yield f"## Training\n\n{settings.recipe}: {settings.training}. Licences: {', '.join(known)}.\n"
    yield f"\n```\n{settings.command}\n```\n\n## Lineage\n\n| | |\n| --- | --- |\n"
    for name, value in (settings.lineage | dict(contents.versions)).items():
        yield f"| {_cell(name)} | `{_code(value)}` |\n"


def _front_matter(contents: Contents, answers: Answers) -> dict[str, Any]:
    settings = contents.settings
    licence = settings.model_licence.lower()
    return {
        **({"license": licence} if licence else {}),
        "library_name": "tensorflow",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "vision-transformer", "vit-pipeline"],
        "base_model": settings.model,
        "datasets": [settings.dataset],
        "model-index": [
            {
                "name": settings.name,
                "results": [
                    {
                        "task": {"type": "image-classification"},
                        "dataset": {"name": settings.dataset, "type": "imagefolder"},
                        "metrics": [
                            {"type": "accuracy", "value": round(answers.accuracy.value, 4)}
                        ],
                    }
                ],
            }
        ],
    }


def _cell(text: str) -> str:
    """Returns `text` for a cell of a Markdown table, with all markup in it escaped."""
    escaped = "".join(f"\\{mark}" if mark in _MARKS else mark for mark in text)
    return " ".join(escaped.replace("<", "&lt;").split())


_MARKS = set("\\`*_{}[]()#+!|~")


def _code(text: str) -> str:
    """Returns `text` for inline code in a Markdown table; replaces the characters that would end
    the code or the table cell.
    """
    return " ".join(text.replace("`", "'").replace("|", "/").split())
