"""Extractors for TFMA: they split batches, write predictions, and count undecodable images as
wrong.
"""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from components.model_evaluator.kept_models import make_tfma_keep
from components.model_evaluator.predictions_writer import PROBABILITIES, VALID, WritePredictions
from trainer.preprocessing import CHUNK

_AFTER = "ExtractPredictions"  # TFMA's name for the extractor that runs the model


def make_extractors(
    eval_shared_model: Any, eval_config: config_pb2.EvalConfig, tensor_adapter_config: Any
) -> list[tfma.extractors.Extractor]:
    """Returns the `custom_extractors` of TFX's Evaluator: TFMA's default extractors and three more.

    1. `cut_into_chunks` splits the batches of TFXIO, which have up to 1,000 examples, because the
       exported model holds all images of a batch in memory.
    2. `WritePredictions` writes the table of predictions.
    3. `count_invalid_as_wrong` counts images that the model could not decode as wrong. For an
       undecodable image, the model outputs a probability of 0 for each class, so without this
       extractor, TFMA would take the first class as the predicted class.
    """
    extractors = tfma.default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
    )
    (position,) = [i for i, stage in enumerate(extractors) if stage.stage_name == _AFTER]
    models = tfma.utils.verify_and_update_eval_shared_models(eval_shared_model)
    make_tfma_keep(models)
    return [
        _extractor("ExtractChunks", beam.FlatMap(cut_into_chunks)),
        *extractors[: position + 1],
        _extractor("ExtractRows", WritePredictions(models)),
        _extractor("ExtractInvalid", beam.Map(count_invalid_as_wrong)),
        *extractors[position + 1 :],
    ]


def _extractor(name: str, transform: beam.PTransform) -> tfma.extractors.Extractor:
    return tfma.extractors.Extractor(stage_name=name, ptransform=transform)


def cut_into_chunks(extracts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Splits a batch of examples into smaller batches of at most `CHUNK` examples each.

    Args:
      extracts: TFMA's extracts of a batch before the model runs: a dictionary with a single entry,
        an Arrow RecordBatch.
    """
    ((key, batch),) = extracts.items()
    for start in range(0, batch.num_rows, CHUNK):
        yield {key: batch.slice(start, CHUNK)}


def count_invalid_as_wrong(extracts: dict[str, Any]) -> dict[str, Any]:
    """Adds a class to the probabilities, and makes it the predicted class of undecodable images.

    No image has the added class as its label, so the prediction for an undecodable image counts as
    wrong.

    Args:
      extracts: TFMA's extracts of a batch, which contain the outputs of one model, or a dictionary
        from the names of several models to their outputs. The outputs of a model without the output
        `valid` are returned unchanged. Models that an earlier version of the pipeline exported lack
        the output `valid`, because they raise an error for an undecodable image.
    """
    answers = extracts[tfma.PREDICTIONS_KEY]
    if PROBABILITIES in answers:
        marked = _add_class_of_invalid_images(answers)
    else:
        marked = {
            model: _add_class_of_invalid_images(outputs) for model, outputs in answers.items()
        }
    return extracts | {tfma.PREDICTIONS_KEY: marked}


def _add_class_of_invalid_images(answers: dict[str, Any]) -> dict[str, Any]:
    if VALID not in answers:
        return answers
    is_invalid = ~np.asarray(answers[VALID], bool).reshape(-1, 1)
    probabilities = np.asarray(answers[PROBABILITIES])
    column = is_invalid.astype(probabilities.dtype)
    return answers | {PROBABILITIES: np.concatenate([probabilities, column], axis=1)}
