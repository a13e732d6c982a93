"""Classifies images, and turns the results into rows of a table."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from trainer.prediction.files import read_file
from trainer.serving.classifier import Classifier, likeliest

NOT_DECODED = "does not decode; expected a JPEG, PNG, GIF, BMP or still WebP image"


@dataclasses.dataclass(frozen=True)
class ImageFile:
    """The content of an image file, or the reason why the file cannot be read.

    Attributes:
      position: position of the file in the list of all files.
      name: path or URI of the file.
      content: the bytes of the file; empty if the file cannot be read.
      error: the reason why the file cannot be read; otherwise empty.
    """

    position: int
    name: str
    content: bytes
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Answer:
    """The predictions of a classifier for an image.

    Attributes:
      position: position of the file in the list of all files.
      name: path or URI of the file.
      classes: the indices of the most probable classes, the most probable class first; empty if
        there is no prediction.
      probabilities: the probability of each class in `classes`.
      is_accepted: whether the model accepts the most probable class as a reliable prediction.
      error: the reason why there is no prediction; empty if there is a prediction.
    """

    position: int
    name: str
    classes: tuple[int, ...] = ()
    probabilities: tuple[float, ...] = ()
    is_accepted: bool = False
    error: str = ""


def read_image(position: int, name: str) -> ImageFile:
    """Reads an image file."""
    try:
        return ImageFile(position, name, read_file(name))
    except OSError as error:
        return ImageFile(position, name, b"", f"cannot be read ({error.strerror or error})")


def answer_batch(classifier: Classifier, batch: Sequence[ImageFile], top: int) -> Iterator[Answer]:
    """Classifies a batch of images; yields the predictions in the order of the images.

    An image that cannot be decoded does not affect the predictions for other images.
    """
    outputs = classifier.from_bytes([image.content for image in batch])
    for index, image in enumerate(batch):
        if image.error or not outputs["valid"][index]:
            yield Answer(image.position, image.name, error=image.error or NOT_DECODED)
            continue
        probabilities = outputs["probabilities"][index]
        best = likeliest(probabilities, top)
        yield Answer(
            image.position,
            image.name,
            tuple(int(index) for index in best),
            tuple(float(probabilities[index]) for index in best),
            bool(outputs["accepted"][index]),
        )


def to_row(answer: Answer, top: int, names: Sequence[str] | None) -> dict[str, Any]:
    """Returns a row of the output table: `image`, `label`, `label_id`, `probability`, `accepted`.

    If `top` is more than 1, the row also has `label_2`, `label_id_2`, `probability_2` and so on. If
    there is no prediction, the labels are empty, the ids are -1, the probabilities are 0, and
    `error` is the reason.
    """
    row: dict[str, Any] = {"image": answer.name}
    for rank in range(top):
        suffix = f"_{rank + 1}" if rank else ""
        exists = rank < len(answer.classes)
        index = answer.classes[rank] if exists else -1
        row[f"label{suffix}"] = (names[index] if names else str(index)) if exists else ""
        row[f"label_id{suffix}"] = index
        row[f"probability{suffix}"] = answer.probabilities[rank] if exists else 0.0
    return row | {"accepted": answer.is_accepted, "error": answer.error}
