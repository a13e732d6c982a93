"""What is said of each image, as rows of a table."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from trainer.prediction.files import read_file
from trainer.serving.classifier import Classifier, likeliest

NOT_DECODED = "does not decode; expected a JPEG, PNG, GIF, BMP or still WebP image"


@dataclasses.dataclass(frozen=True)
class Read:
    """An image file that was read, or not.

    Attributes:
      position: in the list of all files.
      name: path or URI.
      content: its bytes; empty if it cannot be read.
      error: why it cannot be read; else empty.
    """

    position: int
    name: str
    content: bytes
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a classifier says of an image.

    Attributes:
      position, name: of the image file, as in `Read`.
      classes: the indices of the likeliest classes, likeliest first; empty if there is an error.
      probabilities: of these.
      is_accepted: whether the model says that the first of them should be believed.
      error: why there is no answer; else empty.
    """

    position: int
    name: str
    classes: tuple[int, ...] = ()
    probabilities: tuple[float, ...] = ()
    is_accepted: bool = False
    error: str = ""


def read_image(position: int, name: str) -> Read:
    """Reads an image file."""
    try:
        return Read(position, name, read_file(name))
    except OSError as error:
        return Read(position, name, b"", f"cannot be read ({error.strerror or error})")


def answer_batch(classifier: Classifier, batch: Sequence[Read], top: int) -> Iterator[Answer]:
    """The answers for some images, in their order; a bad image harms no other."""
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


def row_of(answer: Answer, top: int, names: Sequence[str] | None) -> dict[str, Any]:
    """A row of the output table: `image`, `label`, `label_id`, `probability` and `accepted`.

    With more than one class an image, `label_2`, `label_id_2`, `probability_2` and so on follow.
    Where there is no answer, labels are empty, ids -1, probabilities 0, and `error` says why.
    """
    row: dict[str, Any] = {"image": answer.name}
    for rank in range(top):
        suffix = f"_{rank + 1}" if rank else ""
        is_there = rank < len(answer.classes)
        index = answer.classes[rank] if is_there else -1
        row[f"label{suffix}"] = (names[index] if names else str(index)) if is_there else ""
        row[f"label_id{suffix}"] = index
        row[f"probability{suffix}"] = answer.probabilities[rank] if is_there else 0.0
    return row | {"accepted": answer.is_accepted, "error": answer.error}
