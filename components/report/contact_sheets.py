"""Contact sheets: some images of each class for a person to look at."""

from collections.abc import Iterator, Sequence

from components.examples import read_images
from components.report.contents import ContactSheet, Thumbnail
from components.report.thumbnails import make_thumbnail

# These limits on contact sheets keep the page of a report below 5 MB. The contact sheets show at
# most `_MOST_CLASSES` classes and at most `_MOST` images in total. The contact sheet of a class
# shows `_LEAST_OF_CLASS` to `_MOST_OF_CLASS` images, or all images if the class has fewer images.
_MOST, _MOST_OF_CLASS, _LEAST_OF_CLASS, _MOST_CLASSES = 480, 24, 4, 120
_SIDE = 120  # pixels


def read_contact_sheets(
    split: str, classes: Sequence[str], counts: Sequence[int]
) -> Iterator[ContactSheet]:
    """Yields a contact sheet for each of the first 120 classes.

    A contact sheet shows the first images of a class in the split. The first images are a random
    sample, because the examples in a split are in a random order, which is the same in every run.

    Args:
      split: URI of the train split of an Examples artifact.
      classes: the class names.
      counts: the number of images of each class in the split.
    """
    shown = min(len(classes), _MOST_CLASSES)
    most = max(_LEAST_OF_CLASS, min(_MOST_OF_CLASS, _MOST // shown))
    missing = {label: min(most, counts[label]) for label in range(shown)}
    images: list[dict[str, Thumbnail]] = [{} for _ in range(shown)]
    examples = read_images(split)
    while any(missing.values()):
        example = next(examples)
        if missing.get(example.label):
            images[example.label][example.file_name] = make_thumbnail(example.image, _SIDE)
            missing[example.label] -= 1
    for label in range(shown):
        yield ContactSheet(name=classes[label], total=counts[label], images=images[label])
