"""Which model a new one is compared with. TFMA's part is in tests/end_to_end."""

import pytest
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto.validation_result_pb2 import ValidationResult
from tfx.components.evaluator import executor as tfx_executor
from tfx.types import standard_artifacts

from common.errors import InputError
from components.model_evaluator.executor import CHAMPION, RECORDS, TRAINING, Executor
from components.model_evaluator.records import last_blessed, record


@pytest.fixture
def evaluate(make_model, records, tmp_path, monkeypatch):
    """Runs the executor on a new model of the training "new".

    The verdict is written as TFX's Evaluator does (tfx/components/evaluator/executor.py, at its
    end): no, where the baseline is one of `refused`.
    """
    compared = []

    def evaluate(refused=(), meanwhile=()):
        waiting = list(meanwhile)

        def do(self, inputs, outputs, properties):
            assert not {CHAMPION, RECORDS, TRAINING} & set(properties)
            (blessing,) = outputs["blessing"]
            assert not list(tmp_path.glob("blessing/*"))
            (baseline,) = [a.uri for a in inputs.get("baseline_model", [])] or [None]
            compared.append(baseline)
            ok = baseline not in refused
            (tmp_path / "blessing" / ("BLESSED" if ok else "NOT_BLESSED")).touch()
            blessing.set_int_custom_property("blessed", int(ok))
            if waiting:
                waiting.pop(0)()

        monkeypatch.setattr(tfx_executor.Executor, "Do", do)
        monkeypatch.setattr(tfma, "load_validation_result", lambda _: ValidationResult())
        monkeypatch.setattr("components.model_evaluator.executor.read_accuracy", lambda _: 0.9614)
        model, blessing = standard_artifacts.Model(), standard_artifacts.ModelBlessing()
        evaluation = standard_artifacts.ModelEvaluation()
        model.uri, blessing.uri = make_model("new", 9.0), str(tmp_path / "blessing")
        evaluation.uri = str(tmp_path / "evaluation")
        (tmp_path / "blessing").mkdir()
        properties = {CHAMPION: "not looked at", RECORDS: records, TRAINING: "new"}
        outputs = {"blessing": [blessing], "evaluation": [evaluation]}
        Executor().Do({"model": [model]}, outputs, properties)
        return bool(blessing.get_int_custom_property("blessed")), compared

    return evaluate


def test_the_first_model_is_compared_with_none(evaluate, records):
    assert evaluate() == (True, [None])
    assert last_blessed(records, ["a", "b"], other_than="").training == "new"


def test_a_blessed_model_becomes_the_champion(evaluate, blessings, records):
    assert evaluate() == (True, [blessings[1].model])
    assert last_blessed(records, ["a", "b"], other_than="").training == "new"


def test_one_that_is_refused_is_not_recorded(evaluate, blessings, records):
    assert evaluate(refused=[blessings[1].model]) == (False, [blessings[1].model])
    assert last_blessed(records, ["a", "b"], other_than="") == blessings[1]


def test_a_model_that_was_blessed_meanwhile_is_what_counts(
    evaluate, blessings, make_model, records, caplog
):
    """Another run was quicker: its model is better, and this one is refused after all."""
    other = {}

    def bless_another():
        other["blessing"] = record(records, make_model("other", 5.0), "other")

    class Refused:
        def __contains__(self, uri):
            return other and uri == other["blessing"].model

    blessed, compared = evaluate(refused=Refused(), meanwhile=[bless_another])
    assert (blessed, compared) == (False, [blessings[1].model, other["blessing"].model])
    assert last_blessed(records, ["a", "b"], other_than="") == other["blessing"]
    assert "compared again" in caplog.text


def test_one_of_the_same_training_that_was_blessed_meanwhile_does_not(
    evaluate, blessings, make_model, records
):
    def bless_the_same():
        record(records, make_model("same", 9.0), "new")

    assert evaluate(meanwhile=[bless_the_same]) == (True, [blessings[1].model])


def test_a_damaged_champion_is_not_compared_with(evaluate, blessings):
    with open(f"{blessings[1].model}/Format-Serving/saved_model.pb", "ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match=r"saved_model\.pb has \d+ bytes, where"):
        evaluate()
