"""Tests of the metrics, which TFMA computes on a few predictions."""

import numpy as np
import pandas as pd
import pytest
import tensorflow_model_analysis as tfma

from pipeline.eval_config import make_eval_config


def test_the_exported_model_is_read_through_from_examples():
    (model,) = make_eval_config().model_specs
    assert model.signature_name == "from_examples"
    assert (model.label_key, model.prediction_key) == ("label", "probabilities")


def test_the_configuration_is_valid_with_and_without_a_baseline():
    for has_baseline in (False, True):
        config = tfma.utils.update_eval_config_with_defaults(
            make_eval_config(),
            has_baseline=has_baseline,
            rubber_stamp=True,
        )
        tfma.utils.verify_eval_config(config)


def test_accuracy_by_class_is_recall():
    """The per-class accuracy that TFMA computes is the recall of the class."""
    labels = np.array([0, 0, 0, 0, 1, 1])
    predicted = np.array([0, 0, 0, 1, 1, 0])
    config = tfma.utils.update_eval_config_with_defaults(
        make_eval_config(), has_baseline=False, rubber_stamp=True
    )
    # The data frame already contains the predictions, so TFMA does not call a model.
    config.model_specs[0].ClearField("signature_name")
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
