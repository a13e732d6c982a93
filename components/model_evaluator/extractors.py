"""TFMA's extractors: batches are cut before a model sees them, answers to bad images are wrong."""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from components.model_evaluator.predictions_writer import PROBABILITIES, VALID, WritePredictions
from trainer.preprocessing import CHUNK

_AFTER = "ExtractPredictions"  # TFMA's name of the stage that asks the model


def make_extractors(
    eval_shared_model: Any, eval_config: config_pb2.EvalConfig, tensor_adapter_config: Any
) -> list[tfma.extractors.Extractor]:
    """The `custom_extractors` of TFX's Evaluator: TFMA's own, and three of ours.

    TFMA gives a model whole batches of TFXIO's, up to 1,000 examples, and the exported model
    decodes and runs all images of a request at once, as servers need it: batches are cut. The
    probabilities of an image that is not valid are all zero, which TFMA would take for an answer
    of the first class: see `count_invalid_as_wrong`. Between the two, the predictions are written:
    see `components.model_evaluator.predictions`.
    """
    extractors = tfma.default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
    )
    (position,) = [i for i, stage in enumerate(extractors) if stage.stage_name == _AFTER]
    models = tfma.utils.verify_and_update_eval_shared_models(eval_shared_model)
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
    """Cuts the extracts of a batch into extracts of at most `CHUNK` examples each.

    Args:
      extracts: TFMA's first ones, which hold an Arrow RecordBatch and nothing else.
    """
    ((key, batch),) = extracts.items()
    for start in range(0, batch.num_rows, CHUNK):
        yield {key: batch.slice(start, CHUNK)}


def count_invalid_as_wrong(extracts: dict[str, Any]) -> dict[str, Any]:
    """Adds a class that no image has, and makes it the answer to images that are not valid.

    Args:
      extracts: of a batch, with the answers of one model, or of several by their names. A model of
        an earlier version of the pipeline does not say which images are valid: it fails of others.
    """
    answers = extracts[tfma.PREDICTIONS_KEY]
    if PROBABILITIES in answers:
        marked = _mark(answers)
    else:
        marked = {model: _mark(of_model) for model, of_model in answers.items()}
    return extracts | {tfma.PREDICTIONS_KEY: marked}


def _mark(answers: dict[str, Any]) -> dict[str, Any]:
    if VALID not in answers:
        return answers
    is_invalid = ~np.asarray(answers[VALID], bool).reshape(-1, 1)
    probabilities = np.asarray(answers[PROBABILITIES])
    column = is_invalid.astype(probabilities.dtype)
    return answers | {PROBABILITIES: np.concatenate([probabilities, column], axis=1)}
