"""Tests of `judge`, which decides from a table of predictions whether a new model is blessed."""

import dataclasses

import pyarrow as pa
import pytest
import scipy.stats

from common.mcnemar import mcnemar
from components.model_evaluator.predictions import SCHEMA
from components.model_evaluator.settings import GateSettings
from components.model_evaluator.verdict import Verdict, judge
from pipeline.options.gate import Gate

CLASSES = ["roses", "tulips"]


def settings(**changes):
    defaults = {"min_accuracy": 0.5}
    return GateSettings(**vars(Gate(**(defaults | changes))))


def table(right, champion=None, label=None, **columns):
    """Returns a table of predictions.

    Args:
      right: whether the new model classifies each image correctly.
      champion: whether the champion classifies each image correctly.
      label: the class of each image; by default, all images are roses.
      columns: the values of columns that differ from their defaults, by the name of the column. By
        default, all probabilities are 1.
    """
    label = label or ["roses"] * len(right)
    other = {"roses": "tulips", "tulips": "roses"}

    def answers(is_right):
        return [name if hit else other[name] for name, hit in zip(label, is_right, strict=True)]

    values = {
        "file_name": [str(index) for index in range(len(right))],
        "label": label,
        "predicted": answers(right),
        "probability": [1.0] * len(right),
        "rank": [1 if hit else 2 for hit in right],
        "valid": [True] * len(right),
        "accepted": [True] * len(right),
    }
    if champion is not None:
        values["champion_predicted"] = answers(champion)
    values |= columns
    return pa.table(
        {f.name: pa.array(values.get(f.name, [None] * len(right)), f.type) for f in SCHEMA}
    )


def verdict(predictions, source_images=(100, 0), **changes):
    return judge(predictions, CLASSES, source_images, settings(**changes))


def test_the_lower_end_of_wilsons_interval_is_compared_with_the_floor():
    predictions = table([True] * 90 + [False] * 10)
    low = scipy.stats.binomtest(90, 100, alternative="greater").proportion_ci(0.95, "wilson").low
    assert verdict(predictions, min_accuracy=low - 0.001).blessed
    found = verdict(predictions, min_accuracy=0.9)
    assert found.reasons == (
        f"accuracy 0.9000 on 100 images is, with 95 % confidence, at least {low:.4f}, which is "
        f"{0.9 - low:.4f} below 0.9000",
    )
    (limit,) = found.limits
    assert (limit.value, limit.bound, limit.is_met) == (0.9, pytest.approx(low), False)


def test_a_confidence_of_0_compares_the_measured_values():
    predictions = table([True] * 9 + [False])
    assert verdict(predictions, min_accuracy=0.9, confidence=0.0).blessed
    found = verdict(predictions, min_accuracy=0.95, confidence=0.0)
    assert found.reasons == ("accuracy 0.9000 is 0.0500 below 0.9500",)


def test_a_limit_that_few_test_images_cannot_reach():
    (reason,) = verdict(table([True] * 24), min_accuracy=0.9).reasons
    assert reason.endswith("(even if all answers are right, at least 25 images are needed)")
    assert verdict(table([True] * 25), min_accuracy=0.9).blessed
    (reason,) = verdict(table([True] * 99), min_accuracy=1.0).reasons
    assert "no number of images is enough for 1.0; gate.confidence=0 compares" in reason
    assert verdict(table([True] * 2), min_accuracy=1.0, confidence=0.0).blessed


def test_each_floor_that_is_not_met_is_named():
    right = [True, True, True, False, True, False]
    label = ["roses"] * 4 + ["tulips"] * 2
    found = verdict(
        table(right, label=label, accepted=[True] * 3 + [False] * 3),
        source_images=(40, 20),
        min_accuracy=0.7,
        min_class_recall=0.8,
        min_coverage=0.6,
        max_ece=0.1,
        confidence=0.0,
    )
    assert found.reasons == (
        "accuracy 0.6667 is 0.0333 below 0.7000",
        "recall of roses 0.7500 is 0.0500 below 0.8000",
        "recall of tulips 0.5000 is 0.3000 below 0.8000",
        "expected calibration error 0.3333 is 0.2333 above 0.1000",
        "coverage 0.5000 is 0.1000 below 0.6000",
    )
    assert [limit.is_met for limit in found.limits] == [False] * 5


def test_a_class_without_a_test_image_does_not_meet_min_class_recall():
    predictions = table([True] * 30)
    found = verdict(predictions, source_images=(100, 7), min_class_recall=0.7)
    assert found.reasons == ("fewer test images than gate.min_test_images=1: tulips (0 of 7)",)
    # Without gate.min_class_recall, a class without a test image gives a warning.
    found = verdict(predictions, source_images=(100, 7))
    assert found.blessed
    assert found.warnings == ("no test image of tulips: the recall of these classes is unknown",)
    # If a dataset has no image of a class, gate.min_class_recall requires no test image of the
    # class.
    assert verdict(predictions, min_class_recall=0.7).blessed
    assert verdict(predictions, (100, 7), min_class_recall=0.7, min_test_images=0).blessed


def test_more_test_images_of_each_class_can_be_required():
    predictions = table([True] * 33, label=["roses"] * 30 + ["tulips"] * 3)
    expected = "fewer test images than gate.min_test_images=5: tulips (3 of 9)"
    found = verdict(predictions, (100, 9), min_class_recall=0.4, min_test_images=5)
    assert found.reasons == (expected,)
    assert verdict(predictions, (100, 9), min_test_images=5).warnings == (expected,)


def test_an_invalid_image_counts_as_wrong():
    predictions = table(
        [True, False],
        predicted=["roses", ""],
        probability=[1.0, 0.0],
        rank=[1, None],
        valid=[True, False],
        accepted=[True, False],
    )
    found = verdict(predictions, min_accuracy=0.6, confidence=0.0, min_coverage=0.6)
    assert [limit.value for limit in found.limits] == [0.5, 0.5]


@pytest.mark.parametrize(("better", "worse", "p"), [(14, 9, 0.4049), (0, 1, 1.0), (0, 0, 1.0)])
def test_mcnemars_test(better, worse, p):
    assert mcnemar(better, worse) == mcnemar(worse, better) == pytest.approx(p, abs=1e-4)


def make_comparison(both, better, worse, neither=0):
    """Returns a table of predictions by the new model and the champion.

    Args:
      both: the number of images that both models classify correctly.
      better: the number of images that only the new model classifies correctly.
      worse: the number of images that only the champion classifies correctly.
      neither: the number of images that neither model classifies correctly.
    """
    right = [True] * (both + better) + [False] * (worse + neither)
    champion = [True] * both + [False] * better + [True] * worse + [False] * neither
    return table(right, champion)


def test_the_comparison_with_the_champion():
    found = verdict(make_comparison(60, 14, 9, 17))
    assert found.blessed
    assert found.comparison.describe() == "better on 14 images, worse on 9, p = 0.40"
    assert found.comparison.champion_accuracy == pytest.approx(0.69)
    assert verdict(table([True] * 9)).comparison is None
    assert found.comparison.drop == pytest.approx(-0.05)


def test_a_significant_drop_is_refused():
    found = verdict(make_comparison(60, 1, 12, 10))
    (reason,) = found.reasons
    assert reason == (
        f"accuracy {61 / 83:.4f} is {11 / 83:.4f} below the last blessed model's {72 / 83:.4f}; "
        "allowed 0.0000 (better on 1 image, worse on 12, p = 0.003)"
    )
    assert verdict(make_comparison(60, 1, 12, 10), max_drop=0.14).blessed


def test_a_drop_that_is_not_significant_is_a_warning():
    found = verdict(make_comparison(60, 9, 14, 10))
    assert found.blessed
    assert found.warnings[1].startswith("accuracy is 0.0538 below the last blessed model's, which")
    for changes in ({"drop_must_be_significant": False}, {"confidence": 0.0}):
        (reason,) = verdict(make_comparison(60, 9, 14, 10), **changes).reasons
        assert "0.0538 below the last blessed model's" in reason
    # The drop from the champion's 72 right images to 61 is significant with the default confidence
    # (see `test_a_significant_drop_is_refused`), but not with the confidence 0.999.
    assert verdict(make_comparison(60, 1, 12, 10), confidence=0.999).blessed


def test_a_model_exactly_as_good_as_allowed_passes():
    assert verdict(make_comparison(60, 5, 5)).blessed
    assert verdict(make_comparison(90, 0, 10), max_drop=0.1).blessed


def test_top5_is_reported_from_10_classes_on():
    predictions = table([True] * 4, rank=[1, 5, 6, None])
    assert verdict(predictions).top5 is None
    classes = [*CLASSES, *"abcdefgh"]
    assert judge(predictions, classes, [0] * 10, settings()).top5 == 0.5


def test_without_any_test_image():
    assert verdict(SCHEMA.empty_table()).reasons == ("the split test has no image",)


def test_the_verdict_is_read_as_it_was_written(tmp_path):
    found = verdict(make_comparison(60, 9, 14, 10), min_accuracy=0.99, min_coverage=0.5)
    found.write(str(tmp_path))
    assert Verdict.read(str(tmp_path)) == found
    assert dataclasses.asdict(found)["comparison"]["worse"] == 14
