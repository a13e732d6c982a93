"""Tests of ModelEvaluator's executor, with a stand-in for TFMA.

The tests check with which champion the executor compares the new model. tests/end_to_end runs the
executor with the real TFMA.
"""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tfx.components.evaluator import executor as tfx_executor
from tfx.types import artifact_utils, standard_artifacts

from common.custom_config import to_custom_config
from common.errors import InputError
from components.image_example_gen.split import SPLITS
from components.model_evaluator.executor import (
    CHAMPION,
    DATA,
    GATE,
    HEAT_MAP_SECONDS,
    RECORDS,
    TRAINING,
    Executor,
)
from components.model_evaluator.predictions import FILE, SCHEMA
from components.model_evaluator.reasons import ACCURACY, read_reasons
from components.model_evaluator.records import last_blessed
from components.model_evaluator.settings import GateSettings
from components.model_evaluator.verdict import Verdict
from pipeline.options.gate import Gate
from tests.components.model_evaluator.blessings import record


def write_predictions(evaluation, *, compared, is_better):
    """Writes the table of predictions of 20 images of the class a.

    One model classifies all images correctly, and the other model only 10 of them.
    """
    right, wrong = ["a"] * 20, ["a"] * 10 + ["b"] * 10
    new, champion = (right, wrong) if is_better else (wrong, right)
    columns = {"file_name": list(map(str, range(20))), "label": right, "predicted": new}
    if compared:
        columns["champion_predicted"] = champion
    empty = [None] * 20
    table = pa.table([pa.array(columns.get(f.name, empty), f.type) for f in SCHEMA], SCHEMA)
    Path(evaluation).mkdir(exist_ok=True)
    pq.write_table(table, f"{evaluation}/{FILE}")


@pytest.fixture
def evaluate(make_model, records, tmp_path, monkeypatch):
    """Returns a function that runs the executor on a new model.

    A stand-in for TFX's executor writes a table of predictions in which the new model is worse than
    the champions in `refused`, and better than any other champion.
    """
    compared = []

    def evaluate(refused=(), meanwhile=()):
        waiting = list(meanwhile)

        def do(self, inputs, outputs, properties):
            assert not {CHAMPION, RECORDS, TRAINING, DATA, GATE, HEAT_MAP_SECONDS} & set(properties)
            (evaluation,) = outputs["evaluation"]
            assert not list(Path(evaluation.uri).glob("*"))
            (baseline,) = [a.uri for a in inputs.get("baseline_model", [])] or [None]
            compared.append(baseline)
            write_predictions(
                evaluation.uri, compared=baseline is not None, is_better=baseline not in refused
            )
            if waiting:
                waiting.pop(0)()

        monkeypatch.setattr(tfx_executor.Executor, "Do", do)
        artifacts = {
            "model": standard_artifacts.Model(),
            "examples": standard_artifacts.Examples(),
            "blessing": standard_artifacts.ModelBlessing(),
            "evaluation": standard_artifacts.ModelEvaluation(),
        }
        for name, artifact in artifacts.items():
            artifact.uri = make_model("new", 9.0) if name == "model" else str(tmp_path / name)
        artifacts["examples"].split_names = artifact_utils.encode_split_names(list(SPLITS))
        (tmp_path / "examples").mkdir()
        counts = {"by_label": {key: {"0": 100} for key in ("read", *SPLITS, "quarantine")}}
        (tmp_path / "examples" / "counts.json").write_text(json.dumps(counts))
        gate = to_custom_config(GateSettings(**vars(Gate(min_accuracy=0.4, confidence=0.8))))
        properties = {CHAMPION: "not looked at", RECORDS: records, TRAINING: "new", GATE: gate}
        properties |= {DATA: "new data", HEAT_MAP_SECONDS: 0.0}
        inputs, outputs = (
            {name: [artifacts[name]] for name in names}
            for names in (("model", "examples"), ("blessing", "evaluation"))
        )
        Executor().Do(inputs, outputs, properties)
        blessing = artifacts["blessing"]
        blessed = bool(blessing.get_int_custom_property("blessed"))
        names = [path.name for path in Path(blessing.uri).iterdir()]
        assert names == ["BLESSED" if blessed else "NOT_BLESSED"]
        verdict = Verdict.read(artifacts["evaluation"].uri)
        assert verdict.blessed == blessed
        if blessed:
            assert blessing.get_string_custom_property(ACCURACY) == "1.0000"
        else:
            assert read_reasons(blessing) == "; ".join(verdict.reasons)
            assert "0.5000 below the last blessed model's 1.0000" in read_reasons(blessing)
        return blessed, compared

    return evaluate


def test_the_first_model_has_no_baseline(evaluate, records):
    assert evaluate() == (True, [None])
    blessing = last_blessed(records, ["a", "b"], other_than="")
    assert (blessing.training, blessing.data, blessing.class_counts) == (
        "new",
        "new data",
        (100, 0),
    )


def test_a_blessed_model_becomes_the_champion(evaluate, blessings, records):
    assert evaluate() == (True, [blessings[1].model])
    assert last_blessed(records, ["a", "b"], other_than="").training == "new"


def test_a_refused_model_is_not_recorded(evaluate, blessings, records):
    assert evaluate(refused=[blessings[1].model]) == (False, [blessings[1].model])
    assert last_blessed(records, ["a", "b"], other_than="") == blessings[1]


def test_a_model_that_was_blessed_meanwhile_is_the_champion(
    evaluate, blessings, make_model, records, caplog
):
    """During the evaluation, another run's better model is blessed, so the new model is refused."""
    other = {}

    def bless_another():
        other["blessing"] = record(records, make_model("other", 5.0), "other")

    class Refused:
        def __contains__(self, uri):
            return other and uri == other["blessing"].model

    blessed, compared = evaluate(refused=Refused(), meanwhile=[bless_another])
    assert (blessed, compared) == (False, [blessings[1].model, other["blessing"].model])
    assert last_blessed(records, ["a", "b"], other_than="") == other["blessing"]
    assert "this model is compared with that model too" in caplog.text


def test_a_model_of_the_same_training_that_was_blessed_meanwhile_is_no_champion(
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
