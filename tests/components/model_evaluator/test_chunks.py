import pyarrow as pa
import tensorflow_model_analysis as tfma
from tfx.components.util import udf_utils

from components.model_evaluator.chunks import cut_into_chunks
from components.model_evaluator.executor import EXTRACTORS
from trainer.preprocessing import CHUNK


def test_a_batch_is_cut_into_chunks():
    batch = pa.RecordBatch.from_pydict({"number": list(range(2 * CHUNK + 3))})
    chunks = list(cut_into_chunks({tfma.ARROW_RECORD_BATCH_KEY: batch}))
    batches = [chunk[tfma.ARROW_RECORD_BATCH_KEY] for chunk in chunks]
    assert [chunk.num_rows for chunk in batches] == [CHUNK, CHUNK, 3]
    assert pa.Table.from_batches(batches).combine_chunks().to_batches() == [batch]


def test_tfx_finds_the_extractors():
    """With a wrong path, TFX silently uses its own extractors. It reloads the module of a right
    path.
    """
    found = udf_utils.try_get_fn(EXTRACTORS, "custom_extractors")
    assert (found.__module__, found.__name__) == (
        "components.model_evaluator.chunks",
        "chunked_extractors",
    )
