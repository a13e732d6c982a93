"""Tests that docs/options.md agrees with the table of options."""

import re

from pipeline.command_line.parser import make_parser
from pipeline.options.config import OPTIONS
from pipeline.options.flags import FLAGS
from pipeline.options.machines import Machines
from pipeline.options.reference import write_reference


def test_the_page_is_up_to_date(project):
    page = (project / "docs" / "options.md").read_text(encoding="utf-8")
    assert page == write_reference(), "python -m pipeline.options.reference > docs/options.md"


def test_every_key_is_listed_once_with_its_flag():
    rows = re.findall(
        r"^\| (?:`(--[a-z-]+)` )?\| `([A-Za-z0-9_.]+)` \|.*\|.*\|.*\|$", write_reference(), re.M
    )
    keys = [key for _, key in rows]
    assert len(keys) == len(set(keys))
    nodes = vars(Machines())
    assert {key.replace("NODE", node) for key in keys for node in nodes} == OPTIONS.keys()
    assert {flag: key for flag, key in rows if flag} == FLAGS


def test_the_other_flags_are_those_of_the_command_line():
    section = write_reference().partition("## Other flags\n")[2].partition("\n## ")[0]
    others = re.findall(r"^\| `(--[a-z-]+)", section, re.MULTILINE)
    flags = {flag for flag in make_parser()._option_string_actions if flag.startswith("--")}
    assert len(others) == len(set(others))
    assert set(others) == flags - FLAGS.keys()


def test_defaults_are_stated():
    """In the table of options, the last column states the default: a value, the words "the
    recipe's", or words from the help text."""
    rows = {
        cells[1]: cells[-1]
        for line in write_reference().splitlines()
        if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 5
    }
    assert rows["`model`"] == "required"
    assert rows["`ingest.max_side`"] == "`1024`"
    assert rows["`train.checkpoint_steps`"] == "`500`"
    assert rows["`train.learning_rate`"] == "the recipe's"
    assert rows["`name`"] == "dataset-model-tune"
    assert rows["`train.deterministic`"] == "off"
