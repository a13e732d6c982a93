"""Contents of reports with random predictions, for tests."""

import dataclasses
import io

import numpy as np
import PIL.Image

from components.model_evaluator.heat_maps import HeatMaps
from components.report.answers import Answers
from components.report.contents import Contents, Curves, Data, Issues, NodeUsage, Thumbnail, Verdict
from components.report.settings import ReportSettings

SCRIPT = "<script>alert(1)</script>"
CURVES = Curves(
    steps=[{"step": step, "loss": 2 / step, "learning_rate": 0.1 / step} for step in range(1, 50)],
    epochs=[{"step": step, "loss": 2 / step, "val_loss": 3 / step} for step in (10, 20, 30, 40)],
)


def make_settings(classes) -> ReportSettings:
    return ReportSettings(
        name="flowers-vit-b16-fe-head",
        model="vit_b16_fe",
        model_licence="Apache-2.0",
        dataset="flowers",
        dataset_licence="",
        classes=tuple(classes),
        tune="head",
        recipe="default_head",
        training="a linear head on frozen features. 30 epochs of adamw",
        differs_from_recipe={"train.epochs": ("30", "20")},
        lineage={"images": "0" * 64},
        options={"train.epochs": "30"},
        command="python pipeline_runner.py --model vit_b16_fe --dataset flowers --tune head",
    )


def make_answers(classes, images, *, champion=True) -> Answers:
    """Returns random predictions, of which about 93 % are correct."""
    random = np.random.default_rng(0)
    labels = random.integers(0, len(classes), images)
    predicted = np.where(
        random.random(images) < 0.93, labels, random.integers(0, len(classes), images)
    )
    probabilities = random.beta(8, 1, images)
    return Answers(
        classes=tuple(classes),
        files=np.array([f"{classes[c]}/{i:05d}.jpg" for i, c in enumerate(labels)], object),
        labels=labels,
        predicted=predicted,
        probabilities=probabilities,
        accepted=probabilities > 0.6,
        champion=np.where(random.random(images) < 0.9, labels, 0) if champion else None,
    )


def make_thumbnail(side: int = 240) -> Thumbnail:
    """Returns a thumbnail of noise, which takes more bytes than a thumbnail of a real image."""
    pixels = np.random.default_rng(0).integers(0, 255, (side, side, 3), dtype=np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "JPEG", quality=78)
    return Thumbnail(jpeg=file.getvalue(), width=side, height=side)


def make_contents(classes, images=300) -> Contents:
    answers = make_answers(classes, images)
    wrong = answers.files[~answers.is_right]
    numbers = [7] * len(classes)
    return Contents(
        artifacts={"Trainer.model": "/runs/flowers/Trainer/model/9"},
        settings=make_settings(classes),
        made_at="2026-01-31 12:00 UTC",
        versions={"tensorflow": "2.21.0"},
        data=Data(
            counts={
                "read": 3001,
                "train": 2400,
                "validation": 300,
                "test": images,
                "quarantine": 1,
            },
            by_class=dict.fromkeys(("read", "train", "validation", "test", "quarantine"), numbers),
            quarantine=[{"file_name": f"{SCRIPT}.jpg", "reason": "truncated"}],
        ),
        issues=Issues(
            records=[
                {
                    "kind": "near duplicate",
                    "file_name": f"{SCRIPT}.jpg",
                    "split": "train",
                    "label": SCRIPT,
                    "other": "b.jpg",
                    "other_split": "test",
                    "other_label": "roses",
                    "score": 0.98,
                }
            ],
            examined={"near duplicate": "images that look the same"},
        ),
        curves=CURVES,
        answers=answers,
        verdict=Verdict(
            blessed=True,
            limits=["accuracy 0.93, at least 0.9 is required"],
            floor=0.9,
            comparison="better on 9 images, worse on 2, p = 0.07",
            warnings=["no test image of tulips: the recall of these classes is unknown"],
            pushed_to="/runs/flowers/serving/17",
            version="17",
        ),
        thumbnails=dict.fromkeys(wrong, make_thumbnail()),
        heat_maps=HeatMaps(
            method="occlusion", wanted=5, maps={name: [[0, 0.2], [0.7, 1]] for name in wrong[:2]}
        ),
        nodes=[
            NodeUsage(
                node=name,
                seconds=seconds,
                peak_mb=900,
                cached=cached,
                started="2026-01-31 12:00:00",
            )
            for name, seconds, cached in (
                ("ImageExampleGen", 300.0, True),
                ("Transform", 7.0, False),
                ("Trainer", 130.0, False),
                ("Evaluator", 8.0, False),
                ("Pusher", 0.1, False),
            )
        ],
    )


def stopped_contents(classes) -> Contents:
    """Returns the contents of the report of a run that stopped before the training."""
    return dataclasses.replace(
        make_contents(classes),
        stopped="label: unexpected values",
        curves=None,
        answers=None,
        verdict=None,
        thumbnails={},
        heat_maps=None,
    )
