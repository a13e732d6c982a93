"""Whether the documents' commands can be given as they stand, as far as that shows without a cloud.

What is checked is the text: nothing of Google's or Kubernetes' tools is run.
"""

import re

import pytest

from pipeline.options.config import FLAGS, OPTIONS
from pipeline_runner import make_parser

DOCUMENTS = ["docs/kubeflow.md", "docs/vertex.md"]


@pytest.fixture(params=DOCUMENTS)
def document(project, request):
    """The text of one of them."""
    return (project / request.param).read_text()


def blocks(document):
    """The commands, with lines that are continued in the next joined."""
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


def test_what_is_read_from_the_bucket_has_been_copied_to_it(document):
    copied = re.findall(r"^gcloud storage rsync .* (gs://\S+)$", blocks(document), re.MULTILINE)
    read = re.findall(r"--(?:dataset|model) (gs://\S+)", blocks(document))
    assert read
    assert set(read) <= set(copied)


def test_every_flag_and_key_exists(document):
    commands = re.findall(
        r"^(?:python pipeline_runner\.py|…) (.*)$", blocks(document), re.MULTILINE
    )
    assert commands
    known = set(FLAGS) | set(make_parser()._option_string_actions)
    for command in commands:
        own = re.sub(r"--beam-arg=\S+", "", command)
        assert set(re.findall(r"(?<!\S)(--[a-z-]+)", own)) <= known
        assert set(re.findall(r"--set ([a-z_.]+)=", own)) <= set(OPTIONS)


def test_links_lead_somewhere(project, document):
    headings = re.findall(r"^#+ (.*)$", document, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}
    for target in re.findall(r"\]\(([^)\s]+)\)", document.replace("\n", "")):
        if target.startswith("#"):
            assert target[1:] in anchors
        elif "://" not in target:
            assert (project / "docs" / target).exists()
