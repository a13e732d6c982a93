"""Finds faults in the outputs of an exported model.

This module does not import TensorFlow, which takes seconds to import.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

# The names of the outputs, each with the allowed values of NumPy's `dtype.kind`.
OUTPUTS = {
    "label": "OS",
    "label_id": "i",
    "probability": "f",
    "probabilities": "f",
    "valid": "b",
    "accepted": "b",
}
_SUM = 1e-3  # the sum of the float32 probabilities of an image may differ from 1 by at most this

Outputs = Mapping[str, np.ndarray]


def find_faults(outputs: Outputs, count: int, classes: Sequence[str]) -> Iterator[str]:
    """Yields a description of each fault in the outputs of one request.

    Args:
      outputs: the outputs of a signature by their names.
      count: the number of images in the request.
      classes: the class names, in the order of the model's outputs.
    """
    shapes = dict.fromkeys(OUTPUTS, (count,)) | {"probabilities": (count, len(classes))}
    for name, kinds in OUTPUTS.items():
        if name not in outputs:
            yield f"there is no output {name}"
            return
        found = np.asarray(outputs[name])
        if found.shape != shapes[name] or found.dtype.kind not in kinds:
            yield (
                f"the output {name} has the shape {found.shape} and the type {found.dtype}; "
                f"expected the shape {shapes[name]}"
            )
            return
    probabilities = outputs["probabilities"]
    if not (np.isfinite(probabilities).all() and np.isfinite(outputs["probability"]).all()):
        yield "a probability is not finite"
        return
    names = [*classes, ""]  # names[-1] is "", because a label_id of -1 means "no class"
    for index in range(count):
        label = outputs["label"][index].decode(errors="replace")
        label_id, valid = int(outputs["label_id"][index]), bool(outputs["valid"][index])
        row, top = probabilities[index], float(outputs["probability"][index])
        if not -1 <= label_id < len(classes) or label != names[label_id]:
            yield f"the label is {label!r}, but the label id is {label_id}, which is not its class"
        elif valid != (label_id >= 0):
            yield f"valid is {valid}, but the label is {label!r}"
        elif valid and abs(float(row.sum()) - 1) > _SUM:
            yield f"the probabilities of a valid image have the sum {float(row.sum()):.4f}"
        elif valid and (row.min() < 0 or abs(float(row.max()) - top) > 1e-6):
            greatest = float(row.max())
            yield f"the probability is {top:.4f}, but the greatest probability is {greatest:.4f}"
        elif not valid and (row.any() or top or outputs["accepted"][index]):
            yield "an image that is not valid has a probability, or is accepted"


def find_difference(name: str, one: Outputs, other: Outputs, tolerance: float) -> str:
    """Describes how the outputs `valid` and `probabilities` for one image differ between a batch
    and a request for the image alone; returns an empty text if they agree.

    Args:
      name: the name of the image.
      one: all outputs for the image in the batch.
      other: all outputs for the image in a request for this image alone.
      tolerance: the greatest allowed difference of probabilities.
    """
    if bool(one["valid"]) != bool(other["valid"]):
        return f"{name}: valid is {bool(one['valid'])}, but {bool(other['valid'])} when sent alone"
    difference = float(np.abs(one["probabilities"] - other["probabilities"]).max())
    if difference > tolerance:
        return f"{name}: a probability differs by {difference:.6f}"
    return ""


def answer_for(outputs: Outputs, index: int) -> dict[str, np.ndarray]:
    """Returns the outputs for one image of a request."""
    return {name: np.asarray(outputs[name])[index] for name in OUTPUTS}
