"""The list of a run's images, which is written at the start of the run and read by ImageExampleGen.

Without the list of images, ImageExampleGen would have to walk through the image folder, or list the
bucket, a second time. The pipeline also computes the fingerprint of the data from the list of
images, so that the fingerprint covers exactly those files that ImageExampleGen reads. The list of
images is in the pipeline's state directory, because ImageExampleGen can read this directory no
matter which runner executes the pipeline.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

from tfx.dsl.io import fileio

from common.files import read_bytes, write_whole
from common.notice import print_notice
from components.image_example_gen.sources.base import ImageReference


class Listing(NamedTuple):
    """The list of the images of a source.

    Attributes:
      classes: the class names.
      images: all images of the source.
    """

    classes: tuple[str, ...]
    images: Sequence[ImageReference]


def listing_path(state_dir: str, fingerprint: str) -> str:
    """Returns the path of the list of images; `fingerprint` is the fingerprint of the images."""
    return f"{state_dir}/listing/{fingerprint}.jsonl"


def has_listing(path: str) -> bool:
    """Whether the list of images exists at `path`."""
    return fileio.exists(path)


def write_listing(path: str, listing: Listing) -> None:
    """Writes a list of images to `path`, and deletes older lists from the same directory."""
    directory, _, name = path.rpartition("/")
    fileio.makedirs(directory)
    rows = (listing.classes, *listing.images)
    write_whole(path, "".join(f"{json.dumps(row)}\n" for row in rows))
    for other in fileio.listdir(directory):
        if other != name:
            fileio.remove(f"{directory}/{other}")


def read_listing(path: str) -> Listing | None:
    """Reads a list of images; returns None if the file is missing or damaged.

    If the file is damaged, the function prints a notice.
    """
    content = read_bytes(path)
    if content is None:
        return None
    try:
        classes, *images = map(json.loads, content.splitlines())
        return Listing(tuple(classes), [ImageReference(*row) for row in images])
    except (ValueError, TypeError) as error:
        print_notice(f"{path} is damaged ({error}): the images are listed again")
        return None
