"""The gate on TFMA's own evaluation of small answers."""

import numpy as np
import pandas as pd
import pytest
import tensorflow_model_analysis as tfma

from pipeline.gate import make_eval_config
from pipeline.options.gate import Gate


def thresholds(gate):
    metric, *_ = make_eval_config(gate).metrics_specs[0].metrics
    return {
        tuple(t.slicing_specs[0].feature_keys): t.threshold for t in metric.per_slice_thresholds
    }


def test_the_exported_model_is_read_through_from_examples():
    (model,) = make_eval_config(Gate()).model_specs
    assert model.signature_name == "from_examples"
    assert (model.label_key, model.prediction_key) == ("label", "probabilities")


def test_thresholds_of_the_whole_split():
    threshold = thresholds(Gate(min_accuracy=0.9, max_drop=0.02))[()]
    assert threshold.value_threshold.lower_bound.value == pytest.approx(0.9, abs=1e-5)
    assert threshold.change_threshold.absolute.value == pytest.approx(-0.02, abs=1e-5)


def test_classes_have_a_floor_only_where_one_is_set_and_never_a_baseline():
    assert set(thresholds(Gate())) == {()}
    by_class = thresholds(Gate(min_class_recall=0.7))[("label",)]
    assert by_class.value_threshold.lower_bound.value == pytest.approx(0.7, abs=1e-5)
    assert not by_class.HasField("change_threshold")


def test_calibration_has_bounds_only_where_they_are_set():
    assert not make_eval_config(Gate()).metrics_specs[0].per_slice_thresholds
    spec = make_eval_config(Gate(max_ece=0.1, min_coverage=0.8)).metrics_specs[0]
    found = {
        name: thresholds.thresholds[0].threshold.value_threshold
        for name, thresholds in spec.per_slice_thresholds.items()
    }
    assert found["expected_calibration_error"].upper_bound.value == pytest.approx(0.1, abs=1e-5)
    assert found["coverage"].lower_bound.value == pytest.approx(0.8, abs=1e-5)


def test_the_configuration_is_valid_with_and_without_a_baseline():
    for has_baseline in (False, True):
        config = tfma.utils.update_eval_config_with_defaults(
            make_eval_config(Gate(min_class_recall=0.5, max_ece=0.1, min_coverage=0.5)),
            has_baseline=has_baseline,
            rubber_stamp=True,
        )
        tfma.utils.verify_eval_config(config)


def test_accuracy_by_class_is_recall():
    """TFMA computes, on given predictions, the values that thresholds are compared with."""
    labels = np.array([0, 0, 0, 0, 1, 1])
    predicted = np.array([0, 0, 0, 1, 1, 0])
    config = tfma.utils.update_eval_config_with_defaults(
        make_eval_config(Gate()), has_baseline=False, rubber_stamp=True
    )
    config.model_specs[0].ClearField("signature_name")  # there is no model here
    frame = pd.DataFrame({"label": labels, "probabilities": list(np.eye(2)[predicted])})
    result = tfma.analyze_raw_data(frame, config)
    overall = result.get_metrics_for_slice()
    assert overall["expected_calibration_error"]["doubleValue"] == pytest.approx(2 / 6)
    assert overall["coverage"]["doubleValue"] == 1
    metrics = {key: value["accuracy"] for key, value in result.get_metrics_for_all_slices().items()}
    assert metrics == {
        (): {"doubleValue": pytest.approx(4 / 6)},
        (("label", 0),): {"doubleValue": pytest.approx(0.75)},
        (("label", 1),): {"doubleValue": pytest.approx(0.5)},
    }
