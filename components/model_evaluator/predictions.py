"""The table of predictions of the new model and of the champion, with a row for each test image.

Evaluator writes the table to the file `predictions.parquet` in its output `evaluation`, in the same
pass over the test images that computes the metrics. The rows are sorted by file name. The columns
are:

    file_name             string           name of the image in the source
    label                 string           the class of the image
    predicted             string           the predicted class; "" if not valid
    probability           float32          probability of that class, in [0, 1]; 0 if not valid
    rank                  int32            rank of the image's own class by probability; 1 if the
                                           prediction is correct; null if not valid
    valid                 bool             whether the model could decode the image
    accepted              bool             whether the model accepts its prediction

The columns `champion_predicted`, `champion_probability`, `champion_rank`, `champion_valid` and
`champion_accepted` contain the values of `predicted`, `probability`, `rank`, `valid` and `accepted`
for the champion, or null if there was no champion.

If a file name contains bytes that are not UTF-8, these bytes are written as \\xNN.
"""

import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from common.errors import InputError

FILE = "predictions.parquet"
CHAMPION_PREFIX = "champion_"

_OF_A_MODEL = (
    ("predicted", pa.string()),
    ("probability", pa.float32()),
    ("rank", pa.int32()),
    ("valid", pa.bool_()),
    ("accepted", pa.bool_()),
)
SCHEMA = pa.schema(
    [
        ("file_name", pa.string()),
        ("label", pa.string()),
        *_OF_A_MODEL,
        *((CHAMPION_PREFIX + name, kind) for name, kind in _OF_A_MODEL),
    ]
)


def read_predictions(evaluation: str) -> pa.Table:
    """Reads the table of predictions.

    Args:
      evaluation: URI of the ModelEvaluation artifact.

    Returns:
      A table with the columns of `SCHEMA`.

    Raises:
      InputError: the artifact has no table of predictions, or the table is damaged.
    """
    file = f"{evaluation}/{FILE}"
    try:
        with tf.io.gfile.GFile(file, "rb") as stream:
            return pq.read_table(pa.BufferReader(stream.read())).select(SCHEMA.names)
    except (tf.errors.NotFoundError, pa.ArrowException, KeyError) as error:
        raise InputError(
            f"{file}: found no readable table of predictions ({type(error).__name__}); remove "
            f"{evaluation} to have the model evaluated again"
        ) from error
