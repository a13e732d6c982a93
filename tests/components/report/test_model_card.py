"""Tests that Hugging Face's library reads the model card."""

import huggingface_hub

from components.report.model_card import make_card
from components.report.write import write_report
from tests.components.report.samples import SCRIPT, make_contents, stopped_contents


def test_hugging_face_reads_the_front_matter_back():
    contents = make_contents(("daisy", SCRIPT, "a|b"))
    card = huggingface_hub.ModelCard(make_card(contents, contents.answers))
    data = card.data
    assert isinstance(data, huggingface_hub.ModelCardData)
    assert (data.license, data.pipeline_tag) == ("apache-2.0", "image-classification")
    assert (data.base_model, data.datasets) == ("vit_b16_fe", ["flowers"])
    (result,) = data.eval_results
    assert result.metric_type == "accuracy"
    assert result.metric_value == round(contents.answers.accuracy.value, 4)
    assert SCRIPT not in card.text
    assert "a\\|b" in card.text
    assert "**To be filled in:** what the model is for" in card.text


def test_a_pushed_version_has_its_card_beside_the_versions(tmp_path):
    contents = make_contents(("daisy", "roses"))
    pushed = tmp_path / "serving" / "17"
    verdict = type(contents.verdict)(blessed=True, pushed_to=str(pushed), version="17")
    page = tmp_path / "Report" / "report.html"
    write_report(type(contents)(**vars(contents) | {"verdict": verdict}), str(page))
    card = (tmp_path / "serving" / "cards" / "17" / "README.md").read_text()
    assert card == page.with_name("README.md").read_text()
    assert not pushed.exists()


def test_without_a_model_there_is_no_card(tmp_path):
    write_report(stopped_contents(("daisy", "roses")), str(tmp_path / "report.html"))
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
