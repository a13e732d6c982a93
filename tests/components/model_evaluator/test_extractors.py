import re

import numpy as np
import pyarrow as pa
import pytest
import tensorflow_model_analysis as tfma
from tfx.components.util import udf_utils

from components.model_evaluator.executor import EXTRACTORS
from components.model_evaluator.extractors import count_invalid_as_wrong, cut_into_chunks
from trainer.preprocessing import CHUNK


def test_a_batch_is_cut_into_chunks():
    batch = pa.RecordBatch.from_pydict({"number": list(range(2 * CHUNK + 3))})
    chunks = list(cut_into_chunks({tfma.ARROW_RECORD_BATCH_KEY: batch}))
    batches = [chunk[tfma.ARROW_RECORD_BATCH_KEY] for chunk in chunks]
    assert [chunk.num_rows for chunk in batches] == [CHUNK, CHUNK, 3]
    assert pa.Table.from_batches(batches).combine_chunks().to_batches() == [batch]


def test_tfx_finds_the_extractors():
    """TFX silently uses its own extractors if the import path is wrong.

    TFX reloads the module, which creates new function objects, so the test compares the names of
    the functions.
    """
    found = udf_utils.try_get_fn(EXTRACTORS, "custom_extractors")
    assert (found.__module__, found.__name__) == (
        "components.model_evaluator.extractors",
        "make_extractors",
    )


@pytest.mark.parametrize("models", [[""], ["candidate", "baseline"]])
def test_an_invalid_image_is_wrong_for_every_class(models):
    probabilities = np.array([[0.9, 0.1], [0, 0], [0.2, 0.8], [0, 0]], np.float32)
    answers = {"probabilities": probabilities, "valid": np.array([True, False, True, False])}
    predictions = answers if models == [""] else dict.fromkeys(models, answers)
    labels = np.array([0, 0, 1, 1])
    extracts = {"predictions": predictions, "labels": labels}
    marked = count_invalid_as_wrong(extracts)
    assert marked["labels"] is labels
    for model in models:
        outputs = marked["predictions"][model] if model else marked["predictions"]
        answered = outputs["probabilities"].argmax(-1)
        assert list(answered == labels) == [True, False, True, False]
        np.testing.assert_array_equal(outputs["probabilities"][:, :2], probabilities)


def test_outputs_without_valid_are_unchanged():
    extracts = {"predictions": {"probabilities": np.array([[1.0, 0.0]])}}
    assert count_invalid_as_wrong(extracts) == extracts


def test_modules_of_workers_name_nothing_that_only_tfx_components_adds_to_tfma(project):
    """Beam's workers do not import `tfx/components/__init__.py`, which adds names to TFMA."""
    added = {"EvalConfig", "ModelSpec", "SlicingSpec", "MetricsSpec", "MetricConfig"}
    added |= {"MetricThreshold", "GenericValueThreshold", "GenericChangeThreshold"}
    files = (project / "components" / "model_evaluator").glob("*.py")
    used = {name for file in files for name in re.findall(r"\btfma\.(\w+)", file.read_text())}
    assert "PREDICTIONS_KEY" in used
    assert not used & added
