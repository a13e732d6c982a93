"""Computes heat maps of the most probable wrong predictions."""

import time
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from absl import logging

from common.notice import print_notice
from components.examples import find_images
from components.model_evaluator.heat_maps import HeatMaps
from components.model_evaluator.kept_models import load_kept_model
from trainer.heat_maps.explain import explain

_MOST = 24  # images
_DIGITS = 3


def choose_mistakes(predictions: pa.Table, most: int = _MOST) -> dict[str, str]:
    """Returns the most probable wrong predictions: a dictionary from image name to predicted class.

    The dictionary has up to `most` entries, the most probable prediction first. Images that the
    model could not decode are left out.
    """
    wrong = pc.and_(
        predictions["valid"], pc.not_equal(predictions["label"], predictions["predicted"])
    )
    rows = predictions.filter(wrong).sort_by([("probability", "descending")]).slice(0, most)
    return dict(zip(rows["file_name"].to_pylist(), rows["predicted"].to_pylist(), strict=True))


def explain_mistakes(
    predictions: pa.Table, *, model: str, classes: Sequence[str], test_split: str, seconds: float
) -> HeatMaps | None:
    """Computes the heat maps of wrong predictions.

    Returns None if all predictions are correct, or if no heat map is finished within `seconds`. If
    an error occurs, the function prints a notice and returns None instead of raising the error,
    because the verdict does not depend on heat maps.

    Args:
      predictions: the table that `components.model_evaluator.predictions` describes.
      model: directory of the exported SavedModel.
      classes: the class names of the model.
      test_split: URI of the test split of an Examples artifact.
      seconds: the time limit in seconds, after which no further heat map is computed; 0 for no heat
        maps.
    """
    answers = choose_mistakes(predictions)
    if not answers or not seconds:
        return None
    begin = time.monotonic()
    try:
        encoded = {
            example.file_name: example.image for example in find_images([test_split], answers)
        }
        images = [
            (file, encoded[file], classes.index(answer))
            for file, answer in answers.items()
            if file in encoded
        ]
        loaded = load_kept_model(model)
        made = list(explain(loaded, images, seconds - (time.monotonic() - begin)))
    except Exception as error:  # TensorFlow may raise any error, depending on the graph
        logging.exception("The heat maps of wrong answers failed.")
        print_notice(
            f"The report has no heat maps of wrong answers: {type(error).__name__}, see the log."
        )
        return None
    took = time.monotonic() - begin
    logging.info("Made %d of %d heat maps in %.1f s.", len(made), len(answers), took)
    if not made:
        return None
    return HeatMaps(
        method=made[0].method,
        wanted=len(answers),
        maps={one.file: one.values.round(_DIGITS).tolist() for one in made},
    )
