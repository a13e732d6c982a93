"""Tests of the commands and links in README.md and docs/.

The tests check the text of the commands, and do not run gcloud or kubectl.
"""

import re
from pathlib import Path

import pytest

from pipeline.command_line.parser import make_parser
from pipeline.options.config import OPTIONS
from pipeline.options.flags import FLAGS

ROOT = Path(__file__).parents[2]
# Pages whose commands use only shell variables that the page defines.
STEP_BY_STEP = ["docs/kubeflow.md", "docs/vertex.md"]
PAGES = ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
LONGEST_README = 150  # lines


@pytest.fixture(params=STEP_BY_STEP)
def document(project, request):
    """Returns the text of a step-by-step page."""
    return (project / request.param).read_text()


@pytest.fixture(params=PAGES)
def page(project, request):
    """Returns the path of a page."""
    return project / request.param


def blocks(document):
    """Returns the code blocks of a page; joins each line that ends with a backslash to the next."""
    return "\n".join(re.findall(r"^```\n(.*?)^```", document, re.MULTILINE | re.DOTALL)).replace(
        "\\\n", " "
    )


def test_every_variable_has_been_given_a_value(document):
    given, used = set(), []
    for line in blocks(document).splitlines():
        used += [(name, name in given) for name in re.findall(r"\$([A-Z_]+)", line)]
        given.update(re.findall(r"^(?:export )?([A-Z_]+)=", line))
        given.update(re.findall(r" ([A-Z_]+)=", line) if line.startswith("export") else [])
        given.update(re.findall(r"^for ([A-Z_]+) in", line))
    assert {name for name, was_given in used if not was_given} == set()
    assert {"PROJECT", "BUCKET", "IMAGE"} <= {name for name, _ in used}


def test_files_that_are_read_from_the_bucket_were_copied_to_it(document):
    copied = re.findall(r"^gcloud storage rsync .* (gs://\S+)$", blocks(document), re.MULTILINE)
    read = re.findall(r"--(?:dataset|model) (gs://\S+)", blocks(document))
    assert read
    assert set(read) <= set(copied)


def commands_of(text):
    """Returns the arguments of each `python pipeline_runner.py` command."""
    return re.findall(r"^(?:python pipeline_runner\.py|…) (.*)$", blocks(text), re.MULTILINE)


def test_the_step_by_step_documents_have_commands(document):
    assert commands_of(document)


def test_every_flag_and_key_exists(page):
    text = page.read_text()
    inline = re.findall(r"`(?:python pipeline_runner\.py )?(--[a-z-]+[^`]*)`", prose(text))
    known = set(FLAGS) | set(make_parser()._option_string_actions)
    for command in commands_of(text):
        own = re.sub(r"--beam-arg=\S+", "", command)
        assert set(re.findall(r"(?<!\S)(--[a-z-]+)", own)) <= known
    for command in [*commands_of(text), *inline]:
        assert set(re.findall(r"--set ([a-z_.]+)=", command)) <= set(OPTIONS)


def prose(text):
    """Returns the prose of a page without code blocks, each paragraph in one line."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL).replace("\n", " ")


def anchors(page):
    """Returns the anchors of the headings of `page`."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


def test_links_have_a_target(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text())):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        other = page.parent / path if path else page
        assert other.is_file(), target
        assert not anchor or anchor in anchors(other), target


def test_the_readme_is_short_and_leads_to_every_page(project):
    readme = project / "README.md"
    assert len(readme.read_text().splitlines()) <= LONGEST_README
    linked = set(re.findall(r"\]\((docs/[a-z]+\.md)", readme.read_text()))
    assert linked == set(PAGES) - {"README.md"}
