"""Tests of the text of a report's page, and of the escaping of names."""

import dataclasses
import html.parser
import re

import pytest

from components.data_check.issues import BLURRED, KINDS, LABEL
from components.report.contents import ContactSheet, Issues, Verdict
from components.report.page import make_page
from tests.components.report.samples import SCRIPT, make_contents, make_thumbnail, stopped_contents

FLOWERS = ("daisy", "roses", SCRIPT)
MANY = (*(f"a class with a long name, number {number}" for number in range(199)), SCRIPT)


class Text(html.parser.HTMLParser):
    """Parses a page into its text, its start tags, and the addresses in its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [
            value for name, value in attributes if name in ("src", "href", "xlink:href")
        ]

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def flowers():
    return Text(make_page(make_contents(FLOWERS)))


def test_names_of_classes_and_files_are_text(flowers):
    assert flowers.tags.count("script") == 1
    assert flowers.text.count(SCRIPT) > 5


def test_the_page_loads_no_other_files(flowers):
    assert flowers.addresses
    assert {address.partition(":")[0][:1] for address in flowers.addresses} <= {"#", "d"}
    assert all(
        address.startswith(("#", "data:image/jpeg;base64,", "data:image/png;base64,"))
        for address in flowers.addresses
    )


def test_the_page_has_verdict_data_and_command(flowers):
    text = " ".join(flowers.text.split())
    for expected in (
        "Pushed The gate blessed the model: version 17: /runs/flowers/serving/17",
        "the new model is better on 9 images, worse on 2, p = 0.07.",
        "No test image of tulips",
        "Most time went into Trainer 2 min, Evaluator 8.0 s, Transform 7.0 s.",
        "/runs/flowers/Trainer/model/9",
        "python pipeline_runner.py --model vit_b16_fe",
        "same as b.jpg (test, roses)",
        "truncated",
        "lowers the odds of the answer (occlusion). Shown for the 2 of 5 surest wrong answers.",
    ):
        assert expected in text


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (
            Verdict(blessed=False, reasons="accuracy 0.8 is below 0.9"),
            "The gate did not bless the model: accuracy",
        ),
        (Verdict(blessed=True, unpushed="it was withdrawn"), "blessed, but it was withdrawn"),
        (
            Verdict(blessed=True, pushed_to="/s/1", version="1", was_served=True),
            "version 1, which was served already: /s/1",
        ),
    ],
)
def test_each_verdict(verdict, expected):
    contents = dataclasses.replace(make_contents(FLOWERS, 30), verdict=verdict)
    assert expected in " ".join(Text(make_page(contents)).text.split())


def test_a_run_that_was_stopped_shows_its_data():
    page = Text(make_page(stopped_contents(FLOWERS)))
    text = " ".join(page.text.split())
    assert "Stopped label: unexpected values" in text
    assert "Class balance" in text
    assert "Mistakes" not in text


def test_an_inspection_shows_images_of_each_class_and_no_training():
    image = make_thumbnail(120)
    contents = dataclasses.replace(
        stopped_contents(FLOWERS),
        stopped="",
        is_inspection=True,
        sheets=[
            ContactSheet(name=name, total=2400, images={f"{name}/{n}.jpg": image for n in range(6)})
            for name in FLOWERS
        ],
        issues=Issues(
            records=[
                {"kind": LABEL, "file_name": "a.jpg", "split": "train", "label": SCRIPT}
                | {"other": "", "other_split": "", "other_label": "roses", "score": 0.93}
            ],
            examined={LABEL: KINDS[LABEL], BLURRED: KINDS[BLURRED]},
            thumbnails={"a.jpg": image},
        ),
    )
    page = Text(make_page(contents))
    text = " ".join(page.text.split())
    assert "Inspected The data check found wrong label: 1." in text
    assert f"train, {SCRIPT}; rather roses 0.93" in text
    assert "checked, and not found: blurred" in text
    assert f"{SCRIPT} 6 of 2,400" in text
    assert page.tags.count("img") == 3 * 6 + 1
    assert not {"Stopped", "Recipe", "Mistakes", "head tuned"} & set(text.split())


def test_many_contact_sheets_are_at_most_five_megabytes():
    noise = make_thumbnail(160)
    sheets = [
        ContactSheet(name=name, total=9, images={f"{name}{n}": noise for n in range(9)})
        for name in MANY
    ]
    contents = dataclasses.replace(stopped_contents(MANY), is_inspection=True, sheets=sheets)
    page = make_page(contents)
    assert len(page.encode()) <= 5_000_000
    assert page.count("<img") >= len(MANY)


def test_two_hundred_classes_are_at_most_five_megabytes():
    contents = make_contents(MANY, 9000)
    page = make_page(contents)
    assert len(page.encode()) <= 5_000_000
    # `make_page` halves the number of images until the page has at most 5 MB. With 120 thumbnails
    # of noise, the page has more than 5 MB; with 60 thumbnails, it has less.
    assert page.count("<li data-class=") == 60
    assert "188 further classes" in page


def test_colours_follow_the_mode_of_the_reader():
    page = make_page(make_contents(FLOWERS, 30))
    assert not re.findall(r"#0102\w\w", page)
    assert 'fill="var(--good)"' in page


def test_heat_maps_are_images_with_a_description():
    page = make_page(make_contents(FLOWERS))
    assert page.count("data:image/png;base64,") == 2
    assert page.count('alt="Heat map: warm at centre, middle right, ') == 2
    without = make_page(dataclasses.replace(make_contents(FLOWERS), heat_maps=None))
    assert "data:image/png" not in without
    assert "Show heat maps" not in without
