"""TFMA's extractors, with the examples cut into chunks before a model sees them."""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import tensorflow_model_analysis as tfma

from trainer.preprocessing import CHUNK


def chunked_extractors(
    eval_shared_model: Any, eval_config: tfma.EvalConfig, tensor_adapter_config: Any
) -> list[tfma.extractors.Extractor]:
    """Returns the `custom_extractors` of TFX's Evaluator: TFMA's, after one that splits batches.

    TFMA passes TFXIO's batches of up to 1,000 examples to a model, but the exported model, which is
    made for servers, decodes and computes all images of a request at once.
    """
    chunks = tfma.extractors.Extractor(
        stage_name="ExtractChunks", ptransform=beam.FlatMap(cut_into_chunks)
    )
    extractors = tfma.default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
    )
    return [chunks, *extractors]


def cut_into_chunks(extracts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Splits the extracts of a batch into extracts of at most `CHUNK` examples each.

    Args:
      extracts: TFMA's first extracts, which contain only an Arrow RecordBatch.
    """
    ((key, batch),) = extracts.items()
    for start in range(0, batch.num_rows, CHUNK):
        yield {key: batch.slice(start, CHUNK)}
