"""Tests that an evaluation keeps its loaded models, so that it loads each model only once."""

import pytest
import tensorflow as tf
import tfx.components  # noqa: F401 (it patches tfx_bsl)
from apache_beam.internal import pickler

import tensorflow_model_analysis as tfma  # isort: skip
from components.model_evaluator.kept_models import keep_models, load_kept_model, make_tfma_keep


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = str(tmp_path_factory.mktemp("model"))
    tf.saved_model.save(tf.Module(), directory)
    return directory


def load_with_tfma(directory):
    """Loads a model with a pickled copy of TFMA's model loader, as a Beam worker does."""
    model = tfma.default_eval_shared_model(
        eval_saved_model_path=directory,
        eval_config=tfma.EvalConfig(
            model_specs=[tfma.ModelSpec(signature_name="serving_default", label_key="label")]
        ),
    )
    make_tfma_keep([model])
    return pickler.loads(pickler.dumps(model.model_loader)).load()


def test_a_model_of_tfma_is_loaded_once(directory):
    with keep_models():
        assert load_with_tfma(directory) is load_kept_model(directory)


def test_no_model_is_kept_outside_the_context(directory):
    assert load_kept_model(directory) is not load_kept_model(directory)
