"""The charts of a report, as SVG.

vl-convert renders the Vega-Lite charts to SVG without a browser when the page is made, so the page
can display and print the charts without a JavaScript library. Each mark of a chart has an
`aria-label`, which screen readers read aloud and which the page shows as a tooltip. The SVG of a
confusion matrix of 200 classes takes 0.3 MB; Matplotlib's SVG of the same matrix takes 6.5 MB.

The colours of a chart are variables of the page's style sheet, so that they change with the light
or dark mode of the page.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from components.report.answers import NOT_VALID, Answers, Share
from components.report.contents import Curves, Data

# Maps the colour variables of the style sheet to placeholder colours. Vega does not accept a
# variable such as `var(--ink)` as a colour, so charts are drawn in placeholder colours. In the SVG,
# `render` replaces each placeholder colour with the variable that it stands for.
_VARIABLES = {
    "ink": "#010203",
    "muted": "#010204",
    "grid": "#010205",
    "good": "#010206",
    "bad": "#010207",
    "second": "#010208",
    "third": "#010209",
    "card": "#01020a",
}
_INK, _MUTED, _GRID, _GOOD, _BAD, _SECOND, _THIRD, _CARD = _VARIABLES.values()
_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
_WIDTH, _HEIGHT = 330, 210  # pixels
_LARGEST = 1.3  # a chart grows with its container, at most by this factor

_CONFIG = {
    "background": None,
    "padding": {"left": 5, "right": 14, "top": 5, "bottom": 5},
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": _MUTED,
        "titleColor": _MUTED,
        "gridColor": _GRID,
        "domainColor": _GRID,
        "tickColor": _GRID,
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 130,
        "labelOverlap": "greedy",
        "labelSeparation": 6,
        "titlePadding": 8,
    },
    "legend": {
        "labelColor": _INK,
        "labelFontSize": 12,
        "title": None,
        "orient": "top",
        "symbolType": "stroke",
        "symbolStrokeWidth": 3,
        "symbolSize": 160,
    },
    "line": {"strokeWidth": 2, "strokeCap": "round", "strokeJoin": "round"},
}


def render(spec: Mapping[str, Any], title: str) -> str:
    """Renders a chart.

    Args:
      spec: the Vega-Lite specification of the chart, without `config`.
      title: a description of the chart for screen readers.

    Returns:
      An SVG element that grows to the width of its container, at most to `_LARGEST` times the width
      that Vega gave it.
    """
    import vl_convert

    # Because the list of allowed URLs is empty, the chart cannot load a file.
    svg = vl_convert.vegalite_to_svg(
        {"$schema": _SCHEMA, "config": _CONFIG, **spec}, allowed_base_urls=[]
    )
    for name, colour in _VARIABLES.items():
        svg = svg.replace(f'"{colour}"', f'"var(--{name})"')
    svg = re.sub(r' font-family="[^"]*"', "", svg)
    width = re.search(r'width="([\d.]+)"', svg)
    assert width
    opening = re.match(r"<svg [^>]*>", svg)
    assert opening
    view = re.search(r'viewBox="[^"]*"', opening[0])
    assert view
    head = (
        f'<svg {view[0]} style="max-width:{float(width[1]) * _LARGEST:.0f}px" role="group" '
        f'aria-label="{_attribute(title)}">'
    )
    return head + svg[opening.end() :]


def accuracy_bar(answers: Answers, floor: float | None) -> str:
    """Draws the accuracy of the model and of the champion, with confidence intervals.

    If `floor` is not None, a line marks the required accuracy `floor`.
    """
    results = [("this model", answers.accuracy)]
    if answers.champion_accuracy is not None:
        results.append(("champion", answers.champion_accuracy))
    rows = [
        {"model": name, "accuracy": share.value, "low": share.low, "high": share.high}
        for name, share in results
    ]
    lowest = min([1.0 if floor is None else floor, *(share.low for _, share in results)])
    domain = [max(0.0, lowest - 0.05), 1.0]
    names = [name for name, _ in results]
    y = {
        "field": "model",
        "type": "nominal",
        "sort": names,
        "axis": _bare(labelFontSize=12, labelPadding=8),
    }
    colour = {
        "field": "model",
        "type": "nominal",
        "scale": {"domain": names, "range": [_GOOD, _SECOND][: len(names)]},
        "legend": None,
    }
    x = {
        "field": "accuracy",
        "type": "quantitative",
        "title": None,
        "scale": {"domain": domain, "zero": False, "nice": False},
        "axis": {"format": ".0%", "tickCount": 5},
    }
    spec: dict[str, Any] = {
        "width": _WIDTH,
        "height": {"step": 34},
        "data": {"values": rows},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 6, "opacity": 0.35, "strokeCap": "round"},
                "encoding": {
                    "x": {**x, "field": "low"},
                    "x2": {"field": "high"},
                    "y": y,
                    "color": colour,
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
                "encoding": {"x": x, "y": y, "color": colour},
            },
        ],
    }
    if floor is not None:
        spec["layer"].append(
            {
                "data": {"values": [{"floor": floor, "text": f"required {floor:.0%}"}]},
                "mark": {"type": "rule", "strokeDash": [4, 3], "strokeWidth": 1.5, "color": _BAD},
                "encoding": {"x": {"field": "floor", "type": "quantitative"}},
            }
        )
    return render(spec, "Accuracy on the test images with its 95 % interval, and required accuracy")


def training_curve(curves: Curves, metric: str) -> str:
    """Draws a metric over the training steps, for the training images and for the validation
    images.
    """
    rows = [
        {"step": record["step"], "value": record[metric], "images": "training"}
        for record in curves.epochs
        if metric in record
    ] + [
        {"step": record["step"], "value": record[f"val_{metric}"], "images": "validation"}
        for record in curves.epochs
        if f"val_{metric}" in record
    ]
    faint = [
        {"step": record["step"], "value": record[metric]}
        for record in curves.steps
        if metric in record
    ]
    is_share = metric == "accuracy"
    x = {"field": "step", "type": "quantitative", "title": "step", "axis": {"tickCount": 5}}
    y = {
        "field": "value",
        "type": "quantitative",
        "title": metric,
        "axis": {"tickCount": 5, **({"format": ".0%"} if is_share else {})},
        "scale": {"zero": not is_share},
    }
    spec = {
        "width": _WIDTH,
        "height": _HEIGHT,
        "layer": [
            {
                "data": {"values": faint},
                "mark": {"type": "line", "color": _GOOD, "strokeWidth": 1, "opacity": 0.25},
                "encoding": {"x": x, "y": y},
            },
            {
                "data": {"values": rows},
                "mark": {"type": "line", "point": {"size": 28}},
                "encoding": {"x": x, "y": y, "color": _colours("images", _TRAINED, [_GOOD, _BAD])},
            },
        ],
    }
    return render(spec, f"{metric} over the training, of training and of validation images")


_TRAINED = ["training", "validation"]


def learning_rate(curves: Curves) -> str:
    """Draws the learning rate over the training steps."""
    rows = [
        {"step": record["step"], "value": record["learning_rate"]}
        for record in curves.steps
        if "learning_rate" in record
    ]
    spec = {
        "width": _WIDTH,
        "height": _HEIGHT,
        "data": {"values": rows},
        "mark": {"type": "line", "color": _SECOND},
        "encoding": {
            "x": {"field": "step", "type": "quantitative", "title": "step", "axis": _five_ticks()},
            "y": {
                "field": "value",
                "type": "quantitative",
                "title": "learning rate",
                "axis": {"tickCount": 5, "format": "~g"},
            },
        },
    }
    return render(spec, "Learning rate over the training")


def confusion_matrix(answers: Answers) -> str:
    """Draws the confusion matrix, with a mark for each cell that is not 0."""
    counts = answers.confusion()
    classes = len(answers.classes)
    images = counts.sum(1)
    names = [*answers.classes] + ([NOT_VALID] if counts[:, -1].any() else [])
    rows = [
        {
            "class": label,
            "answer": answer,
            "images": int(counts[label, answer]),
            "share": float(counts[label, answer] / images[label]),
            "kind": "right" if label == answer else "wrong",
        }
        for label, answer in zip(*(index.tolist() for index in counts.nonzero()), strict=True)
    ]
    for row in rows:  # classes are plotted by index, because shortened class names may be equal
        row["description"] = (
            f"{answers.name(row['class'])}, answered {answers.name(row['answer'])}: "
            f"{row['images']} of {images[row['class']]} images"
        )
    cell = 40 if classes <= 12 else 24 if classes <= 40 else 13
    labels = {"labelExpr": f"{_js(names)}[datum.value]", "labelFontSize": min(12, cell - 2)}
    domain = list(range(len(names)))
    x = {
        "field": "answer",
        "type": "ordinal",
        "title": "answer of the model",
        "scale": {"domain": domain, "paddingInner": 0.06},
        "axis": {"labelAngle": -45 if max(map(len, names)) > 2 else 0, "orient": "top", **labels},
    }
    y = {
        "field": "class",
        "type": "ordinal",
        "title": "class of the image",
        "scale": {"domain": list(range(classes)), "paddingInner": 0.06},
        "axis": labels,
    }
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "rect", "cornerRadius": 3 if cell > 13 else 1},
            "encoding": {
                "x": x,
                "y": y,
                "color": {
                    "field": "kind",
                    "type": "nominal",
                    "scale": {"domain": ["right", "wrong"], "range": [_GOOD, _BAD]},
                    "legend": None,
                },
                "opacity": {
                    "field": "share",
                    "type": "quantitative",
                    "scale": {"domain": [0, 1], "range": [0.3, 0.95], "type": "sqrt"},
                    "legend": None,
                },
                "description": {"field": "description"},
            },
        }
    ]
    if cell >= 24:
        layers.append(
            {
                "mark": {"type": "text", "fontSize": 12 if cell > 24 else 9, "aria": False},
                "encoding": {
                    "x": x,
                    "y": y,
                    "text": {"field": "images"},
                    "color": {
                        "condition": {"test": "datum.share > 0.5", "value": _CARD},
                        "value": _INK,
                    },
                },
            }
        )
    spec = {
        "width": {"step": cell},
        "height": {"step": cell},
        "data": {"values": rows},
        "layer": layers,
    }
    return render(spec, "Confusion matrix: rows are classes, columns are the answers of the model")


def reliability(answers: Answers) -> str:
    """Draws a reliability diagram: the share of correct predictions at each probability."""
    x = {
        "field": "probability",
        "type": "quantitative",
        "title": "probability that the model gives",
        "scale": {"domain": [0, 1]},
        "axis": {"format": ".0%", "tickCount": 5},
    }
    y = {
        "field": "right",
        "type": "quantitative",
        "title": "share of right answers",
        "scale": {"domain": [0, 1]},
        "axis": {"format": ".0%", "tickCount": 5},
    }
    ideal = [{"probability": 0, "right": 0}, {"probability": 1, "right": 1}]
    spec = {
        "width": _WIDTH,
        "height": _HEIGHT,
        "layer": [
            {
                "data": {"values": ideal},
                "mark": {"type": "line", "strokeDash": [4, 3], "color": _MUTED, "strokeWidth": 1},
                "encoding": {"x": x, "y": y},
            },
            {
                "data": {"values": answers.reliability()},
                "encoding": {"x": x},
                "layer": [
                    {
                        "mark": {"type": "rule", "color": _GOOD, "opacity": 0.5},
                        "encoding": {"y": {**y, "field": "low"}, "y2": {"field": "high"}},
                    },
                    {
                        "mark": {"type": "point", "filled": True, "color": _GOOD, "opacity": 1},
                        "encoding": {
                            "y": y,
                            "size": {
                                "field": "images",
                                "type": "quantitative",
                                "scale": {"range": [30, 260]},
                                "legend": None,
                            },
                        },
                    },
                ],
            },
        ],
    }
    return render(spec, "Reliability: share of right answers by the probability of the answer")


def coverage(answers: Answers) -> str:
    """Draws a coverage curve: the accuracy of the most probable predictions against their share of
    all predictions.
    """
    rows = answers.coverage()
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": rows},
            "mark": {"type": "line", "color": _GOOD, "interpolate": "step-after"},
        }
    ]
    accepted = answers.accepted
    if 0 < accepted.sum() < len(accepted):
        share = Share.from_flags(answers.is_right[accepted])
        here = {"coverage": float(accepted.mean()), "accuracy": share.value}
        layers.append(
            {
                "data": {"values": [here]},
                "mark": {"type": "point", "filled": True, "size": 110, "color": _BAD, "opacity": 1},
            }
        )
    x = {
        "field": "coverage",
        "type": "quantitative",
        "title": "share of answers that are accepted",
        "scale": {"domain": [0, 1]},
        "axis": {"format": ".0%", "tickCount": 5},
    }
    low = min(row["accuracy"] for row in rows)
    y = {
        "field": "accuracy",
        "type": "quantitative",
        "title": "accuracy of these",
        "scale": {"domain": [max(0.0, low - 0.02), 1], "nice": False},
        "axis": {"format": "~%", "tickCount": 5},
    }
    encoding = {"x": x, "y": y}
    spec = {"width": _WIDTH, "height": _HEIGHT, "encoding": encoding, "layer": layers}
    return render(spec, "Coverage: accuracy of the answers that are accepted, by their share")


def class_balance(data: Data, classes: Sequence[str], splits: Sequence[str], most: int) -> str:
    """Draws a bar for each class with its number of images in each split. Only the `most` smallest
    classes are drawn.
    """
    totals = data.by_class["read"]
    order = sorted(range(len(classes)), key=lambda label: totals[label])[:most]
    rows = [
        {
            "class": label,
            "split": split,
            "images": data.by_class[split][label],
            "place": place,
            "description": f"{classes[label]}: {data.by_class[split][label]} {split} images",
        }
        for place, split in enumerate(splits)
        for label in order
    ]
    labels = {"labelExpr": f"{_js(classes)}[datum.value]"}
    spec = {
        "width": _WIDTH,
        "height": {"step": 18},
        "data": {"values": rows},
        "mark": {"type": "bar", "cornerRadius": 2},
        "encoding": {
            "x": {
                "field": "images",
                "type": "quantitative",
                "title": "images",
                "axis": _five_ticks(),
            },
            "y": {
                "field": "class",
                "type": "ordinal",
                "sort": order,
                "title": None,
                "axis": {**labels, "domain": False, "ticks": False},
            },
            "order": {"field": "place"},
            "color": {
                **_colours("split", list(splits), [_GOOD, _SECOND, _THIRD]),
                "legend": {"symbolType": "square"},
            },
            "description": {"field": "description"},
        },
    }
    return render(spec, "Number of images of each class in each split")


def _colours(field: str, domain: Sequence[str], colours: Sequence[str]) -> dict[str, Any]:
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": list(domain), "range": list(colours)},
    }


def _bare(**more: Any) -> dict[str, Any]:
    return {"title": None, "domain": False, "ticks": False, "labelColor": _INK, **more}


def _five_ticks() -> dict[str, Any]:
    return {"tickCount": 5}


def _js(names: Sequence[str]) -> str:
    """Returns `names`, each shortened to 60 characters, as a JSON array, which is a valid
    expression in Vega's expression language.
    """
    return json.dumps([name[:60] for name in names])


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
